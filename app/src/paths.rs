//! The addresses of the screens.

use protocol::{ClassroomId, DocumentId};

pub(crate) const HOME: &str = "/";
pub(crate) const NEW: &str = "/new";
pub(crate) const JOIN: &str = "/join";
pub(crate) const CARD: &str = "/card";

pub(crate) fn classroom(id: ClassroomId) -> String {
    format!("/classroom/{id}")
}

pub(crate) fn page(classroom: ClassroomId, document: DocumentId) -> String {
    format!("/classroom/{classroom}/page/{document}")
}

/// What arrived in a classroom and does not fit.
/// In the address of a page for who was led there from the one that it replaced.
pub(crate) const ANEW: &str = "anew";

/// A page, for who had the one open that it replaced.
pub(crate) fn anew(classroom: ClassroomId, document: DocumentId) -> String {
    format!("{}?{ANEW}", page(classroom, document))
}

pub(crate) fn aside(classroom: ClassroomId) -> String {
    format!("/classroom/{classroom}/aside")
}

/// The login card, on the way into a classroom.
pub(crate) fn card_then(classroom: ClassroomId) -> String {
    format!("{CARD}/{classroom}")
}

/// A whole invite link: `fragment` is secret and stands behind the `#`, which browsers send to no server.
pub(crate) fn invite(origin: &str, fragment: &str) -> String {
    format!("{origin}{JOIN}#{fragment}")
}

/// What a screen is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Screen {
    Classroom(ClassroomId),
    Page((ClassroomId, DocumentId)),
    Other,
}

/// What the screen at a path is about.
pub(crate) fn screen(path: &str) -> Screen {
    let mut parts = path.trim_matches('/').split('/');
    if parts.next() != Some("classroom") {
        return Screen::Other;
    }
    let Some(classroom) = parts.next().and_then(ClassroomId::from_hex) else {
        return Screen::Other;
    };
    match (parts.next(), parts.next().and_then(DocumentId::from_hex)) {
        (Some("page"), Some(document)) => Screen::Page((classroom, document)),
        _ => Screen::Classroom(classroom),
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_path_leads_back_to_what_it_is_of() {
        let id = ClassroomId([7; 32]);
        let document = DocumentId([8; 16]);
        assert_eq!(screen(&classroom(id)), Screen::Classroom(id));
        assert_eq!(screen(&page(id, document)), Screen::Page((id, document)));
        assert_eq!(screen(&aside(id)), Screen::Classroom(id));
        for path in [HOME, JOIN, NEW, "/classroom/zz", &card_then(id)] {
            assert_eq!(screen(path), Screen::Other);
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_invite_keeps_its_secret_behind_the_hash() {
        assert_eq!(
            invite("https://a.example", "s3cret"),
            "https://a.example/join#s3cret"
        );
    }
}
