//! Files on the device: writing one as its parts come, and reading one part by part.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Array, Date, Object, Promise, Reflect, Uint8Array};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, File, HtmlAnchorElement, HtmlInputElement, Url};

use crate::service_worker::has;

/// Bytes that are read at a time.
const PART: u32 = 256 * 1024;

/// How long a download may take to begin, before its data is given up, in seconds.
const DOWNLOAD_BEGINS_WITHIN: u64 = 60;

#[wasm_bindgen]
extern "C" {
    type SavePicker;
    #[wasm_bindgen(method, catch, js_name = showSaveFilePicker)]
    fn show(this: &SavePicker, options: &JsValue) -> Result<Promise, JsValue>;

    type FileHandle;
    #[wasm_bindgen(method, catch, js_name = createWritable)]
    fn create_writable(this: &FileHandle) -> Result<Promise, JsValue>;

    type Writable;
    #[wasm_bindgen(method, catch)]
    fn write(this: &Writable, part: &Uint8Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn close(this: &Writable) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn abort(this: &Writable) -> Result<Promise, JsValue>;
}

/// What was to be written could not be.
pub(crate) struct NotWritten;

/// A file that is being written.
pub(crate) struct Saving {
    name: String,
    /// Where the browser lets pages write files; elsewhere the parts are gathered and downloaded at the end.
    file: Option<Writable>,
    parts: RefCell<Array>,
    failed: Rc<Cell<bool>>,
}

impl Saving {
    /// Asks the person where to, if the browser can. `None` if they decided not to.
    pub(crate) async fn start(name: String) -> Result<Option<Rc<Self>>, NotWritten> {
        let window = window();
        let file = if has(&window, "showSaveFilePicker") {
            let options = Object::new();
            Reflect::set(&options, &"suggestedName".into(), &name.as_str().into()).map_err(not_written)?;
            let picker: SavePicker = window.unchecked_into();
            let chosen = JsFuture::from(picker.show(&options).map_err(not_written)?).await;
            match chosen {
                Ok(handle) => {
                    let handle: FileHandle = handle.unchecked_into();
                    let writable = JsFuture::from(handle.create_writable().map_err(not_written)?).await;
                    Some(writable.map_err(not_written)?.unchecked_into())
                }
                Err(error) if is_abort(&error) => return Ok(None),
                Err(error) => return Err(not_written(error)),
            }
        } else {
            None
        };
        Ok(Some(Rc::new(Self {
            name,
            file,
            parts: RefCell::new(Array::new()),
            failed: Rc::default(),
        })))
    }

    /// Writes the next part. The browser keeps the order.
    pub(crate) fn write(&self, part: &[u8]) {
        let part = Uint8Array::from(part);
        let Some(file) = &self.file else {
            self.parts.borrow().push(&part);
            return;
        };
        let written = file.write(&part);
        let failed = self.failed.clone();
        spawn_local(async move {
            let written = match written {
                Ok(written) => JsFuture::from(written).await,
                Err(error) => Err(error),
            };
            if let Err(error) = written {
                leptos::logging::warn!("a part was not written: {error:?}");
                failed.set(true);
            }
        });
    }

    /// Everything was handed over: the file is whole.
    pub(crate) async fn finish(&self) -> Result<(), NotWritten> {
        match &self.file {
            Some(file) => {
                let closed = JsFuture::from(file.close().map_err(not_written)?).await;
                closed.map_err(not_written)?;
            }
            None => self.download().map_err(not_written)?,
        }
        if self.failed.get() {
            Err(NotWritten)
        } else {
            Ok(())
        }
    }

    /// There is no whole file: what was written of it goes.
    pub(crate) async fn give_up(&self) {
        if let Some(file) = &self.file
            && let Ok(aborted) = file.abort()
            && let Err(error) = JsFuture::from(aborted).await
        {
            leptos::logging::warn!("a part of a file may be left: {error:?}");
        }
    }

    fn download(&self) -> Result<(), JsValue> {
        let blob = Blob::new_with_u8_array_sequence(&self.parts.take())?;
        let address = Url::create_object_url_with_blob(&blob)?;
        let link: HtmlAnchorElement = document().create_element("a")?.unchecked_into();
        link.set_href(&address);
        link.set_download(&self.name);
        link.click();
        let forget = move || {
            if let Err(error) = Url::revoke_object_url(&address) {
                leptos::logging::warn!("{error:?}");
            }
        };
        set_timeout(forget, std::time::Duration::from_secs(DOWNLOAD_BEGINS_WITHIN));
        Ok(())
    }
}

/// The name of a bundle of today: nothing in it tells whose it is.
pub(crate) fn bundle_name() -> String {
    let now = String::from(Date::new_0().to_iso_string());
    format!("meridian-{}.bundle", now.get(..10).unwrap_or_default())
}

/// A file that is being read.
#[derive(Clone)]
pub(crate) struct Reading {
    file: File,
    offset: f64,
}

impl Reading {
    /// The file that was chosen in a field. The field is emptied, so that the same file can be chosen again.
    pub(crate) fn chosen(field: &HtmlInputElement) -> Option<Self> {
        let file = field.files()?.item(0)?;
        field.set_value("");
        Some(Self { file, offset: 0.0 })
    }

    /// The next part, and whether it is the last one.
    pub(crate) async fn next(&mut self) -> Result<(Vec<u8>, bool), JsValue> {
        let size = self.file.size();
        let end = (self.offset + f64::from(PART)).min(size);
        let part = self.file.slice_with_f64_and_f64(self.offset, end)?;
        let buffer = JsFuture::from(part.array_buffer()).await?;
        self.offset = end;
        Ok((Uint8Array::new(&buffer).to_vec(), end >= size))
    }

    /// How much was read, of a hundred.
    pub(crate) fn percent(&self) -> u32 {
        let size = self.file.size().max(1.0);
        // At most a hundred.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let percent = (self.offset / size * 100.0) as u32;
        percent
    }
}

/// Whether the person closed the picker.
fn is_abort(error: &JsValue) -> bool {
    let name = Reflect::get(error, &"name".into());
    name.is_ok_and(|name| name.as_string().as_deref() == Some("AbortError"))
}

fn not_written(error: JsValue) -> NotWritten {
    leptos::logging::warn!("not written: {error:?}");
    NotWritten
}
