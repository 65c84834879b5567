//! The replica's tables in IndexedDB: an object store each, bytes under byte keys.
//!
//! The browser may drop the connection at any time (memory pressure, a newer version in another tab): it is opened again
//! when it is needed. A write counts only when its transaction has completed. If everything was deleted meanwhile, nothing is
//! written any more: without who this is and the classrooms, no later start would find it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use idb::{Database, DatabaseEvent, Event, Factory, KeyRange, ObjectStoreParams, Request, Transaction};
use js_sys::{Array, Object, Reflect, Uint8Array};
use replica::store::{Batch, Range, Ranges, Records, SCHEMA, Table};
use wasm_bindgen::prelude::*;
use web_sys::{IdbDatabase, IdbTransaction};

const NAME: &str = "meridian";

pub(super) struct Store {
    open: RefCell<Option<IdbDatabase>>,
    state: Rc<Cell<State>>,
    tell: Box<dyn Fn(News)>,
}

/// What the store says of itself.
pub(super) enum News {
    /// A newer version of the app wants to bring the tables on: [`Store::make_way`] lets it.
    Wanted,
    /// One has done so. This one can't open them any more.
    Outdated,
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
    pub(super) fn new(tell: impl Fn(News) + 'static) -> Rc<Self> {
        Rc::new(Self {
            open: RefCell::default(),
            state: Rc::default(),
            tell: Box::new(tell),
        })
    }

    /// Closes the tables for a newer version of the app, and looks whether they can be opened again.
    pub(super) async fn make_way(self: &Rc<Self>) {
        self.close();
        if let Err(error) = self.database().await {
            web_sys::console::warn_1(&error);
        }
    }

    fn close(&self) {
        if let Some(database) = self.open.borrow_mut().take() {
            database.close();
        }
    }

    /// Never uses this connection again. What is under way on it still ends; one that stayed open would keep a newer version
    /// of the app, or whoever deletes the store, waiting.
    fn drop_connection(&self, database: &IdbDatabase) {
        database.close();
        let mut open = self.open.borrow_mut();
        if open.as_ref() == Some(database) {
            open.take();
        }
    }

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
        let database = self.database().await?;
        match act(database.clone()).await {
            Ok(done) => Ok(done),
            Err(_) => {
                self.drop_connection(&database);
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
        let state = self.state.clone();
        let on_upgrade = move |old_version| {
            if state.get() == State::Opened && old_version == 0 {
                state.set(State::Deleted);
            }
        };
        let database = match open(NAME, SCHEMA, on_upgrade, upgrade).await {
            Ok(database) => IdbDatabase::from(database),
            Err(problem) => {
                if matches!(&problem, idb::Error::DomException(exception) if exception.name() == "VersionError")
                {
                    (self.tell)(News::Outdated);
                }
                return Err(error(problem));
            }
        };
        if self.state.get() == State::Deleted {
            database.close();
            return Err("the store was deleted".into());
        }
        self.state.set(State::Opened);
        if let Some(first) = &*self.open.borrow() {
            // Somebody else was faster.
            database.close();
            return Ok(first.clone());
        }
        let store = Rc::downgrade(self);
        let on_close = Closure::once_into_js(move || {
            if let Some(store) = store.upgrade() {
                store.open.borrow_mut().take();
            }
        });
        database.set_onclose(Some(on_close.unchecked_ref()));
        let store = Rc::downgrade(self);
        let on_version_change = Closure::<dyn Fn(JsValue)>::new(move |event: JsValue| {
            let Some(store) = store.upgrade() else { return };
            let version = Reflect::get(&event, &"newVersion".into());
            if version.is_ok_and(|version| version.as_f64().is_some()) {
                (store.tell)(News::Wanted);
            } else {
                // It is to be deleted.
                store.close();
            }
        })
        .into_js_value();
        database.set_onversionchange(Some(on_version_change.unchecked_ref()));
        *self.open.borrow_mut() = Some(database.clone());
        Ok(database)
    }
}

/// Opens a database; if it has another version, `bring_on` makes this one of it. If that fails, everything stays as it was.
async fn open(
    name: &str,
    version: u32,
    on_upgrade: impl Fn(u32) + 'static,
    bring_on: fn(&Database) -> Result<(), idb::Error>,
) -> Result<Database, idb::Error> {
    let mut request = Factory::new()?.open(name, Some(version))?;
    request.on_upgrade_needed(move |event| {
        on_upgrade(event.old_version().unwrap_or_default());
        let Err(problem) = event.database().and_then(|database| bring_on(&database)) else {
            return;
        };
        web_sys::console::error_1(&problem.to_string().into());
        // Half of the tables are worse than the old ones: nothing of it stays, and opening fails.
        let transaction = event.target().ok().and_then(|request| request.transaction());
        if let Some(Err(problem)) = transaction.map(Transaction::abort) {
            web_sys::console::error_1(&problem.to_string().into());
        }
    });
    request.await
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

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn brought_half_on(database: &Database) -> Result<(), idb::Error> {
        database.create_object_store("new", ObjectStoreParams::new())?;
        Err(idb::Error::DomExceptionNotFound)
    }

    fn brought_on(database: &Database) -> Result<(), idb::Error> {
        database.create_object_store("old", ObjectStoreParams::new())?;
        Ok(())
    }

    #[wasm_bindgen_test]
    async fn an_upgrade_that_fails_leaves_everything_as_it_was() {
        let name = format!("upgrades {}", js_sys::Math::random());
        let before = open(&name, 1, |_| {}, brought_on).await.unwrap();
        before.close();
        let failed = open(&name, 2, |version| assert_eq!(version, 1), brought_half_on).await;
        assert!(failed.is_err());
        let after = open(&name, 1, |_| {}, brought_on).await.unwrap();
        assert_eq!(after.store_names(), ["old"]);
        after.close();
    }

    fn batch(value: u8) -> Batch {
        let key = (Table::Titles, b"a test's".to_vec());
        Batch {
            changes: [(key, Some(vec![value]))].into(),
            strict: true,
        }
    }

    async fn stored(store: &Rc<Store>) -> Vec<u8> {
        let records = store.read_tables(&[Table::Titles]).await.unwrap();
        records
            .into_values()
            .flatten()
            .flat_map(|(_, value)| value)
            .collect()
    }

    fn handle(store: &Store) -> IdbDatabase {
        store.open.borrow().clone().unwrap()
    }

    /// Browsers close connections without a word: then whatever is asked of one fails.
    #[wasm_bindgen_test]
    async fn a_connection_that_is_dead_is_opened_again_by_whatever_comes_next() {
        let store = Store::new(|_| ());
        store.write(batch(1)).await.unwrap();
        handle(&store).close();
        store.write(batch(2)).await.unwrap();
        handle(&store).close();
        assert_eq!(stored(&store).await, [2]);
        store.close();
    }

    /// Has the next so many writes fail as they do when the browser has lost its files: what is asked of them is an
    /// `UnknownError`, and the connection stays open.
    fn fail_writes(count: u32) {
        let script = format!(
            "const put = IDBObjectStore.prototype.put;
             let left = {count};
             IDBObjectStore.prototype.put = function (...row) {{
               if (left === 0) return put.apply(this, row);
               left -= 1;
               throw new DOMException('Internal error.', 'UnknownError');
             }};"
        );
        js_sys::eval(&script).unwrap();
    }

    fn is_closed(database: &IdbDatabase) -> bool {
        transaction(database, &[Table::Titles.name()], "readonly", "default").is_err()
    }

    #[wasm_bindgen_test]
    async fn after_an_unknown_error_the_store_is_opened_again_and_the_old_connection_closed() {
        let store = Store::new(|_| ());
        store.write(batch(1)).await.unwrap();
        let before = handle(&store);
        fail_writes(1);
        store.write(batch(4)).await.unwrap();
        assert_eq!(stored(&store).await, [4]);
        let after = handle(&store);
        assert!(is_closed(&before) && !is_closed(&after));
        // If that doesn't help either, it is told; and the next one tries again.
        fail_writes(2);
        assert!(store.write(batch(5)).await.is_err());
        store.write(batch(6)).await.unwrap();
        assert_eq!(stored(&store).await, [6]);
        assert!(is_closed(&after));
        store.close();
    }

    #[wasm_bindgen_test]
    async fn of_connections_that_are_opened_at_once_one_stays_open() {
        let store = Store::new(|_| ());
        let opened = [store.clone(), store.clone()].map(|store| {
            let database = async move { Ok(store.database().await?.into()) };
            wasm_bindgen_futures::future_to_promise(database)
        });
        let opened = js_sys::Promise::all(&opened.iter().collect::<Array>());
        let opened = wasm_bindgen_futures::JsFuture::from(opened).await.unwrap();
        let used = JsValue::from(handle(&store));
        assert!(Array::from(&opened).iter().all(|database| database == used));
        assert!(!is_closed(&handle(&store)));
        store.close();
    }

    #[wasm_bindgen_test]
    async fn a_connection_that_is_said_to_be_closed_is_not_used_again() {
        let store = Store::new(|_| ());
        store.write(batch(3)).await.unwrap();
        let before = handle(&store);
        before.onclose().unwrap().call0(&JsValue::NULL).unwrap();
        assert!(store.open.borrow().is_none());
        before.close();
        assert_eq!(stored(&store).await, [3]);
        store.close();
    }
}
