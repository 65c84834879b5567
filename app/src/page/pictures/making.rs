//! What is kept of a picture that somebody chose: never its file, but what it shows, no larger than a page needs. So nothing goes along
//! of where and when it was taken, and with what.

use js_sys::{Object, Promise, Reflect, Uint8Array};
use leptos::prelude::document;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, CanvasRenderingContext2d, HtmlCanvasElement, HtmlImageElement};

use crate::files::ObjectUrl;

/// The most pixels that are kept of the longer side.
const LONGEST_SIDE: u32 = 2_048;

/// How well it is kept, of 1, where not every pixel is.
const QUALITY: f64 = 0.85;

const WEBP: &str = "image/webp";
const PNG: &str = "image/png";
const JPEG: &str = "image/jpeg";

/// A picture as it is to be kept.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) blob: Blob,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Made {
    pub(crate) async fn content(&self) -> Result<Vec<u8>, JsValue> {
        let buffer = JsFuture::from(self.blob.array_buffer()).await?;
        Ok(Uint8Array::new(&buffer).to_vec())
    }
}

/// Makes it of a file. Fails if this browser does not take it for a picture.
pub(crate) async fn make(file: &Blob) -> Result<Made, JsValue> {
    make_of(ObjectUrl::of(file)?.as_str()).await
}

/// Makes it of what is at an address of this tab, or in the address itself.
pub(crate) async fn make_of(address: &str) -> Result<Made, JsValue> {
    let image = HtmlImageElement::new()?;
    image.set_src(address);
    JsFuture::from(image.decode()).await?;
    let (width, height) =
        fitted(image.natural_width(), image.natural_height()).ok_or("the picture has no size")?;
    let canvas: HtmlCanvasElement = document().create_element("canvas")?.unchecked_into();
    canvas.set_width(width);
    canvas.set_height(height);
    let context = context_of(&canvas)?;
    context.draw_image_with_html_image_element_and_dw_and_dh(
        &image,
        0.0,
        0.0,
        f64::from(width),
        f64::from(height),
    )?;
    let blob = written(&canvas, &context).await?;
    Ok(Made { blob, width, height })
}

/// The size with the longer side no longer than it may be. None if there is nothing to see.
fn fitted(width: u32, height: u32) -> Option<(u32, u32)> {
    let longer = width.max(height);
    if width.min(height) == 0 {
        return None;
    }
    if longer <= LONGEST_SIDE {
        return Some((width, height));
    }
    let scaled = |side: u32| {
        let side = (u64::from(side) * u64::from(LONGEST_SIDE) + u64::from(longer) / 2) / u64::from(longer);
        u32::try_from(side.max(1)).ok()
    };
    Some((scaled(width)?, scaled(height)?))
}

fn context_of(canvas: &HtmlCanvasElement) -> Result<CanvasRenderingContext2d, JsValue> {
    let context = canvas.get_context("2d")?.ok_or("there is nothing to draw with")?;
    let context: CanvasRenderingContext2d = context.dyn_into::<Object>()?.unchecked_into();
    // Where a browser does not know it, nothing comes of it.
    Reflect::set(&context, &"imageSmoothingQuality".into(), &"high".into())?;
    Ok(context)
}

/// As WebP where the browser writes that; else as PNG if something shines through, and as JPEG if not.
async fn written(canvas: &HtmlCanvasElement, context: &CanvasRenderingContext2d) -> Result<Blob, JsValue> {
    let webp = encoded(canvas, WEBP).await?;
    // What a browser can't write it writes as PNG.
    if webp.type_() == WEBP {
        return Ok(webp);
    }
    if shines_through(canvas, context)? {
        encoded(canvas, PNG).await
    } else {
        encoded(canvas, JPEG).await
    }
}

async fn encoded(canvas: &HtmlCanvasElement, kind: &str) -> Result<Blob, JsValue> {
    let promise = Promise::new(&mut |resolve, reject| {
        let quality = QUALITY.into();
        if let Err(error) = canvas.to_blob_with_type_and_encoder_options(&resolve, kind, &quality) {
            // Who waits is told; there is nobody else to tell.
            drop(reject.call1(&JsValue::NULL, &error));
        }
    });
    let blob = JsFuture::from(promise).await?;
    blob.dyn_into::<Blob>().map_err(|_| "it can't be written".into())
}

fn shines_through(canvas: &HtmlCanvasElement, context: &CanvasRenderingContext2d) -> Result<bool, JsValue> {
    let (width, height) = (canvas.width().into(), canvas.height().into());
    let pixels = context.get_image_data(0.0, 0.0, width, height)?;
    let alpha = |pixel: &[u8]| pixel.last() != Some(&u8::MAX);
    Ok(pixels.data().chunks_exact(4).any(alpha))
}

#[cfg(test)]
mod tests {
    use leptos::prelude::window;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_picture_keeps_its_proportions() {
        assert_eq!(fitted(2_048, 10), Some((2_048, 10)));
        assert_eq!(fitted(4_096, 3_072), Some((2_048, 1_536)));
        assert_eq!(fitted(3_000, 4_000), Some((1_536, 2_048)));
        assert_eq!(fitted(u32::MAX, 1), Some((2_048, 1)));
        assert_eq!(fitted(0, 10), None);
    }

    /// A picture of another width for each, so that none is taken for another.
    async fn drawn(width: u32, color: &str) -> Blob {
        let canvas: HtmlCanvasElement = document().create_element("canvas").unwrap().unchecked_into();
        canvas.set_width(width);
        canvas.set_height(2);
        let context = context_of(&canvas).unwrap();
        context.set_fill_style_str(color);
        context.fill_rect(0.0, 0.0, f64::from(width), 2.0);
        encoded(&canvas, PNG).await.unwrap()
    }

    #[wasm_bindgen_test]
    async fn a_browser_that_writes_no_webp_keeps_what_shines_through() {
        let kept = async |width: u32, color: &str| {
            let made = make(&drawn(width, color).await).await.unwrap();
            let kind = documents::page::picture::media_type(&made.content().await.unwrap());
            (kind.unwrap(), made.blob.type_(), made.width)
        };
        assert_eq!(kept(3, "red").await, (WEBP, WEBP.to_owned(), 3));
        // As browsers do that can't: they write PNG whatever they are asked for but JPEG.
        let global = window();
        let prototype = js_sys::Function::new_no_args("return HTMLCanvasElement.prototype")
            .call0(&global)
            .unwrap();
        let name = "toBlob".into();
        let own = Reflect::get(&prototype, &name).unwrap();
        let other = js_sys::Function::new_with_args(
            "own",
            "return function(then, kind, quality) { own.call(this, then, kind === 'image/webp' ? 'image/png' : kind, quality); }",
        );
        let other = other.call1(&JsValue::NULL, &own).unwrap();
        Reflect::set(&prototype, &name, &other).unwrap();
        let opaque = kept(4, "red").await;
        let clear = kept(5, "rgb(255 0 0 / 50%)").await;
        Reflect::set(&prototype, &name, &own).unwrap();
        assert_eq!(opaque, (JPEG, JPEG.to_owned(), 4));
        assert_eq!(clear, (PNG, PNG.to_owned(), 5));
    }
}
