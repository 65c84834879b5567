//! The WebSocket to the relay that served the app.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::{ArrayBuffer, Uint8Array};
use protocol::frame::SUBPROTOCOL;
use replica::Event;
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, MessageEvent, WebSocket, WorkerLocation};

/// An open connection, or one that is being made. Dropping it closes it, silently.
pub(super) struct Socket {
    socket: WebSocket,
    /// Whether its events still count.
    live: Rc<Cell<bool>>,
    _on_open: Closure<dyn Fn()>,
    _on_message: Closure<dyn Fn(MessageEvent)>,
    _on_close: Closure<dyn Fn()>,
}

impl Socket {
    pub(super) fn open(
        location: &WorkerLocation,
        happened: impl Fn(Event) + 'static,
    ) -> Result<Self, JsValue> {
        let scheme = if location.protocol() == "https:" {
            "wss"
        } else {
            "ws"
        };
        let url = format!("{scheme}://{}/sync", location.host());
        let socket = WebSocket::new_with_str(&url, SUBPROTOCOL)?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let happened = Rc::new(happened);
        let live = Rc::new(Cell::new(true));

        let (tell, is_live) = (happened.clone(), live.clone());
        let on_open = Closure::<dyn Fn()>::new(move || {
            if is_live.get() {
                tell(Event::Connected);
            }
        });
        let (tell, is_live) = (happened.clone(), live.clone());
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            // The relay speaks in bytes only; text is not of it.
            if is_live.get()
                && let Ok(buffer) = event.data().dyn_into::<ArrayBuffer>()
            {
                tell(Event::Message(Uint8Array::new(&buffer).to_vec()));
            }
        });
        let (tell, is_live) = (happened, live.clone());
        let on_close = Closure::<dyn Fn()>::new(move || {
            if is_live.replace(false) {
                tell(Event::Disconnected);
            }
        });
        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        Ok(Self {
            socket,
            live,
            _on_open: on_open,
            _on_message: on_message,
            _on_close: on_close,
        })
    }

    /// Sends a message. One that cannot be sent is not lost: a closed connection is reported as such, and what was not
    /// acknowledged is sent again on the next.
    pub(super) fn send(&self, message: &[u8]) {
        if self.socket.send_with_u8_array(message).is_err() {
            web_sys::console::warn_1(&"a message was not sent: the connection is not open".into());
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.live.set(false);
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        if self.socket.close().is_err() {
            web_sys::console::warn_1(&"the connection could not be closed".into());
        }
    }
}
