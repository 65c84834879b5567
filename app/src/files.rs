//! Files on the device: writing one as its parts come, and reading one part by part.

use js_sys::{Array, Date, Uint8Array};
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, File, HtmlAnchorElement, HtmlInputElement, Url};

/// Bytes that are read at a time.
const PART: u32 = 256 * 1024;

/// How long a download may take to begin, before its data is given up, in seconds.
const DOWNLOAD_BEGINS_WITHIN: u64 = 60;

/// A file that is being written: it is downloaded when it is whole. Every browser can do that, and asks where to if the person
/// has told it to.
pub(crate) struct Saving {
    name: String,
    /// Blobs, so that the browser and not this page's memory holds them.
    parts: Array,
}

impl Saving {
    pub(crate) fn new(name: String) -> Self {
        let parts = Array::new();
        Self { name, parts }
    }

    pub(crate) fn write(&self, part: &[u8]) -> Result<(), JsValue> {
        let part = Array::of1(&Uint8Array::from(part));
        let part = Blob::new_with_u8_array_sequence(&part)?;
        self.parts.push(&part.into());
        Ok(())
    }

    /// Everything was handed over: the file is whole.
    pub(crate) fn finish(&self) -> Result<(), JsValue> {
        let blob = Blob::new_with_blob_sequence(&self.parts)?;
        let address = ObjectUrl::of(&blob)?;
        let link: HtmlAnchorElement = document().create_element("a")?.unchecked_into();
        link.set_href(address.as_str());
        link.set_download(&self.name);
        link.click();
        let forget = move || drop(address);
        set_timeout(forget, std::time::Duration::from_secs(DOWNLOAD_BEGINS_WITHIN));
        Ok(())
    }
}

/// An address of this tab for a blob, which leads nowhere any more once this is dropped.
#[derive(Debug)]
pub(crate) struct ObjectUrl(String);

impl ObjectUrl {
    pub(crate) fn of(blob: &Blob) -> Result<Self, JsValue> {
        Url::create_object_url_with_blob(blob).map(Self)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Drop for ObjectUrl {
    fn drop(&mut self) {
        if let Err(error) = Url::revoke_object_url(&self.0) {
            leptos::logging::warn!("{error:?}");
        }
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
