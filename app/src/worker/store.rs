//! The replica's tables in IndexedDB: an object store each, bytes under byte keys.
//!
//! The browser may drop the connection at any time (memory pressure, a newer version in another tab): it is opened again
//! when it is needed. A write counts only when its transaction has completed. If everything was deleted meanwhile, nothing is
//! written any more: without who this is and the classrooms, no later start would find it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use idb::{Database, DatabaseEvent, Factory, KeyRange, ObjectStoreParams, Transaction};
use js_sys::{Array, Object, Reflect, Uint8Array};
use replica::store::{Batch, Range, Ranges, Records, SCHEMA, Table};
use wasm_bindgen::prelude::*;
use web_sys::{IdbDatabase, IdbTransaction};

const NAME: &str = "meridian";

#[derive(Default)]
pub(super) struct Store {
    open: RefCell<Option<IdbDatabase>>,
    state: Rc<Cell<State>>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum State {
    #[default]
    Unopened,
    /// It was open once.
    Opened,
    /// Since then, everything in it was deleted.
    Deleted,
}

impl Store {
    /// Reads whole tables.
    pub(super) async fn read_tables(self: &Rc<Self>, tables: &[Table]) -> Result<Records, JsValue> {
        let ranges = tables.iter().map(|&table| (table, None)).collect::<Vec<_>>();
        self.with_retry(|database| read(database, &ranges, None)).await
    }

    /// Reads the first `most` rows of a range.
    pub(super) async fn read_page(self: &Rc<Self>, range: &Range, most: u32) -> Result<Records, JsValue> {
        let wanted = [(range.0, Some(key_range(range)?))];
        self.with_retry(|database| read(database, &wanted, Some(most)))
            .await
    }

    pub(super) async fn read(self: &Rc<Self>, ranges: &Ranges) -> Result<Records, JsValue> {
        let mut wanted = Vec::new();
        for range in ranges {
            wanted.push((range.0, Some(key_range(range)?)));
        }
        self.with_retry(|database| read(database, &wanted, None)).await
    }

    /// Writes a batch whole, or not at all.
    pub(super) async fn write(self: &Rc<Self>, batch: Batch) -> Result<(), JsValue> {
        if batch.is_empty() {
            return Ok(());
        }
        self.with_retry(|database| write(database, &batch)).await
    }

    /// Stores who this is, if nobody is stored, and says who is.
    pub(super) async fn claim_profile(self: &Rc<Self>, row: Vec<u8>) -> Result<Vec<u8>, JsValue> {
        let added = self.with_retry(|database| add_profile(database, &row)).await;
        if added.is_ok() {
            return Ok(row);
        }
        // Somebody else came first, or the store is broken.
        let records = self.read_tables(&[Table::Profile]).await?;
        let stored = records.into_values().flatten().next();
        stored
            .map(|(_, row)| row)
            .ok_or("the profile was not stored".into())
    }

    /// Does something with the database; if its connection turns out to be dead, once more with a new one.
    async fn with_retry<T, F: Future<Output = Result<T, JsValue>>>(
        self: &Rc<Self>,
        act: impl Fn(IdbDatabase) -> F,
    ) -> Result<T, JsValue> {
        match act(self.database().await?).await {
            Ok(done) => Ok(done),
            Err(_) => {
                self.open.borrow_mut().take();
                act(self.database().await?).await
            }
        }
    }

    async fn database(self: &Rc<Self>) -> Result<IdbDatabase, JsValue> {
        if let Some(database) = &*self.open.borrow() {
            return Ok(database.clone());
        }
        if self.state.get() == State::Deleted {
            return Err("the store was deleted".into());
        }
        let mut request = Factory::new()
            .and_then(|factory| factory.open(NAME, Some(SCHEMA)))
            .map_err(error)?;
        let state = self.state.clone();
        request.on_upgrade_needed(move |event| {
            if state.get() == State::Opened && event.old_version().is_ok_and(|version| version == 0) {
                state.set(State::Deleted);
            }
            // If it fails, the transaction of the upgrade is aborted and opening fails.
            if let Err(problem) = event.database().and_then(|database| upgrade(&database)) {
                web_sys::console::error_1(&problem.to_string().into());
            }
        });
        let database = IdbDatabase::from(request.await.map_err(error)?);
        if self.state.get() == State::Deleted {
            database.close();
            return Err("the store was deleted".into());
        }
        self.state.set(State::Opened);
        let store = Rc::downgrade(self);
        let on_close = Closure::once_into_js(move || {
            if let Some(store) = store.upgrade() {
                store.open.borrow_mut().take();
            }
        });
        database.set_onclose(Some(on_close.unchecked_ref()));
        let (store, old) = (Rc::downgrade(self), database.clone());
        // Another tab runs a newer version of the app: it must not wait for this one.
        let on_version_change = Closure::once_into_js(move || {
            old.close();
            if let Some(store) = store.upgrade() {
                store.open.borrow_mut().take();
            }
        });
        database.set_onversionchange(Some(on_version_change.unchecked_ref()));
        *self.open.borrow_mut() = Some(database.clone());
        Ok(database)
    }
}

/// Brings the tables to [`SCHEMA`] from whatever version they had, even none.
fn upgrade(database: &Database) -> Result<(), idb::Error> {
    let there = database.store_names();
    // The first version noted which lanes may be used again.
    if there.iter().any(|name| name == "lanes") {
        database.delete_object_store("lanes")?;
    }
    for table in Table::ALL {
        if !there.iter().any(|name| name == table.name()) {
            database.create_object_store(table.name(), ObjectStoreParams::new())?;
        }
    }
    Ok(())
}

fn key_range((_, from, to): &Range) -> Result<KeyRange, JsValue> {
    KeyRange::bound(&bytes(from), &bytes(to), None, Some(true)).map_err(error)
}

/// Reads of each range all rows, or the first so many.
async fn read(
    database: IdbDatabase,
    ranges: &[(Table, Option<KeyRange>)],
    most: Option<u32>,
) -> Result<Records, JsValue> {
    let mut records = Records::new();
    if ranges.is_empty() {
        return Ok(records);
    }
    let mut names: Vec<&str> = ranges.iter().map(|(table, _)| table.name()).collect();
    names.dedup();
    let transaction = transaction(&database, &names, "readonly", "default")?;
    // All requests are made before the first is awaited, so that the transaction stays alive.
    let mut requests = Vec::new();
    for (table, range) in ranges {
        let store = transaction.object_store(table.name()).map_err(error)?;
        let range = || range.clone().map(idb::Query::from);
        let keys = store.get_all_keys(range(), most).map_err(error)?;
        let values = store.get_all(range(), most).map_err(error)?;
        requests.push((*table, keys, values));
    }
    for (table, keys, values) in requests {
        let (keys, values) = (keys.await.map_err(error)?, values.await.map_err(error)?);
        let rows = keys
            .iter()
            .zip(&values)
            .map(|(key, value)| (Uint8Array::new(key).to_vec(), Uint8Array::new(value).to_vec()));
        records.entry(table).or_default().extend(rows);
    }
    Ok(records)
}

async fn write(database: IdbDatabase, batch: &Batch) -> Result<(), JsValue> {
    let mut names: Vec<&str> = batch.changes.keys().map(|(table, _)| table.name()).collect();
    names.dedup();
    let durability = if batch.strict { "strict" } else { "relaxed" };
    let transaction = transaction(&database, &names, "readwrite", durability)?;
    for ((table, key), value) in &batch.changes {
        let store = transaction.object_store(table.name()).map_err(error)?;
        match value {
            Some(value) => drop(store.put(&bytes(value), Some(&bytes(key))).map_err(error)?),
            None => drop(store.delete(bytes(key)).map_err(error)?),
        }
    }
    finish(transaction).await
}

/// Fails if there is a profile already.
async fn add_profile(database: IdbDatabase, row: &[u8]) -> Result<(), JsValue> {
    let name = Table::Profile.name();
    let transaction = transaction(&database, &[name], "readwrite", "strict")?;
    let profiles = transaction.object_store(name).map_err(error)?;
    drop(profiles.add(&bytes(row), Some(&bytes(&[]))).map_err(error)?);
    finish(transaction).await
}

async fn finish(transaction: Transaction) -> Result<(), JsValue> {
    let done = transaction.commit().map_err(error)?.await.map_err(error)?;
    if done.is_committed() {
        Ok(())
    } else {
        Err("the transaction was aborted".into())
    }
}

#[wasm_bindgen]
extern "C" {
    /// web-sys has the third argument only as an unstable API.
    #[wasm_bindgen(typescript_type = "IDBDatabase")]
    type DurableDatabase;

    #[wasm_bindgen(method, catch)]
    fn transaction(
        this: &DurableDatabase,
        stores: &Array,
        mode: &str,
        options: &Object,
    ) -> Result<IdbTransaction, JsValue>;
}

/// A transaction. A `strict` one completes only when the operating system says that it is on the disk.
fn transaction(
    database: &IdbDatabase,
    names: &[&str],
    mode: &str,
    durability: &str,
) -> Result<Transaction, JsValue> {
    let stores: Array = names.iter().map(|&name| JsValue::from(name)).collect();
    let options = Object::new();
    Reflect::set(&options, &"durability".into(), &durability.into())?;
    let database: &DurableDatabase = database.unchecked_ref();
    Ok(Transaction::from(database.transaction(&stores, mode, &options)?))
}

fn bytes(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

fn error(error: idb::Error) -> JsValue {
    error.to_string().into()
}
