//! XML as a row of tags and texts. Names are without what stands before the colon: no two that matter are alike.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::Error;

pub(super) enum Part<'a> {
    Start(Tag<'a>),
    /// Also of one that is empty, right behind its start.
    End(&'a str),
    Text(&'a str),
}

pub(super) struct Tag<'a> {
    pub(super) name: &'a str,
    start: &'a BytesStart<'a>,
}

impl Tag<'_> {
    /// What an attribute says, with its entities resolved.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let mut attributes = self.start.attributes().filter_map(Result::ok);
        let found = attributes.find(|attribute| {
            let key: &str = attribute.key.local_name().into_inner();
            key == name
        })?;
        Some(
            found
                .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                .ok()?
                .into_owned(),
        )
    }

    /// The attribute that most elements have.
    pub(super) fn val(&self) -> Option<String> {
        self.attribute("val")
    }

    /// Whether an element that turns something on does so.
    pub(super) fn is_on(&self) -> bool {
        !matches!(self.val().as_deref(), Some("0" | "false" | "off" | "none"))
    }
}

/// Tells of each part in its order.
///
/// # Errors
/// [`Error::File`] if it is no XML, and whatever `take` says.
pub(super) fn each(xml: &str, mut take: impl FnMut(Part<'_>) -> Result<(), Error>) -> Result<(), Error> {
    let mut reader = Reader::from_str(xml);
    loop {
        match reader.read_event().map_err(|_| Error::File("docx"))? {
            Event::Start(start) => {
                let name = start.local_name();
                take(Part::Start(Tag {
                    name: name.into_inner(),
                    start: &start,
                }))?;
            }
            Event::Empty(start) => {
                let name = start.local_name().into_inner();
                take(Part::Start(Tag { name, start: &start }))?;
                take(Part::End(name))?;
            }
            Event::End(end) => take(Part::End(end.local_name().into_inner()))?,
            Event::Text(text) => take(Part::Text(&text.xml10_content()))?,
            Event::CData(text) => take(Part::Text(&text.xml10_content()))?,
            Event::GeneralRef(entity) => {
                let letter = match entity.resolve_char_ref() {
                    Ok(Some(letter)) => Some(letter),
                    _ => match &*entity.xml10_content() {
                        "amp" => Some('&'),
                        "lt" => Some('<'),
                        "gt" => Some('>'),
                        "quot" => Some('"'),
                        "apos" => Some('\''),
                        _ => None,
                    },
                };
                if let Some(letter) = letter.filter(|letter| *letter != '\0') {
                    take(Part::Text(letter.encode_utf8(&mut [0; 4])))?;
                }
            }
            Event::Eof => return Ok(()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}
