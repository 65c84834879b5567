//! Tags that stand between other text, as in Markdown: a few, in pieces, often without their ends.

use super::HtmlReader;

/// HTML with nothing in it that a browser under a strict Content-Security-Policy complains of when it parses it: style sheets
/// become `noframes`, which are not shown either, and `style` becomes `data-style`.
pub fn without_styles(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        let name = tag[1..].trim_start_matches('/');
        if !name.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
            out.push('<');
            rest = &tag[1..];
            continue;
        }
        let end = tag.find('>').map_or(tag.len(), |end| end + 1);
        let (tag, behind) = tag.split_at(end);
        rest = behind;
        let (begin, name) = match tag.strip_prefix("</") {
            Some(name) => ("</", name),
            None => ("<", &tag[1..]),
        };
        let is_style = name
            .get(..5)
            .is_some_and(|begin| begin.eq_ignore_ascii_case("style"));
        let name = if is_style {
            out.push_str(begin);
            out.push_str("noframes");
            &name[5..]
        } else {
            tag
        };
        let mut after_space = false;
        let mut left = name;
        while let Some(letter) = left.chars().next() {
            let is_attribute = left
                .get(..5)
                .is_some_and(|begin| begin.eq_ignore_ascii_case("style"));
            if after_space && is_attribute {
                out.push_str("data-");
            }
            out.push(letter);
            after_space = letter.is_ascii_whitespace() || "/\"'".contains(letter);
            left = &left[letter.len_utf8()..];
        }
    }
    out.push_str(rest);
    out
}

impl HtmlReader {
    /// Reads a piece of HTML. What is no tag is text.
    pub(in super::super) fn source(&mut self, html: &str) {
        let mut rest = html;
        while let Some(start) = rest.find('<') {
            self.text(&resolved(&rest[..start]));
            rest = &rest[start..];
            if let Some(end) = comment_end(rest).or_else(|| self.tag(rest)) {
                rest = &rest[end..];
            } else {
                self.text("<");
                rest = &rest[1..];
            }
        }
        self.text(&resolved(rest));
    }

    /// Reads a tag that stands in text of which each space counts.
    pub(in super::super) fn source_in_text(&mut self, html: &str) {
        self.preformatted += 1;
        self.source(html);
        self.preformatted -= 1;
    }

    /// Reads a tag and says how long it is.
    fn tag(&mut self, html: &str) -> Option<usize> {
        let inside = html.strip_prefix('<')?;
        let (closes, inside) = match inside.strip_prefix('/') {
            Some(inside) => (true, inside),
            None => (false, inside),
        };
        let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        let length = inside.find(|letter| !is_of_name(letter)).unwrap_or(inside.len());
        let (name, mut rest) = inside.split_at(length);
        if !name.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
            return None;
        }
        let name = name.to_ascii_lowercase();
        let mut attributes: Vec<(String, String)> = Vec::new();
        loop {
            rest = rest.trim_start_matches(|letter: char| letter.is_ascii_whitespace() || letter == '/');
            if let Some(behind) = rest.strip_prefix('>') {
                if closes {
                    self.close(&name);
                } else {
                    self.open(&name, &|wanted| {
                        let mut found = attributes.iter().filter(|(name, _)| name == wanted);
                        found.next().map(|(_, value)| value.clone())
                    });
                }
                return Some(html.len() - behind.len());
            }
            let (attribute, behind) = attribute(rest)?;
            attributes.push(attribute);
            rest = behind;
        }
    }
}

/// An attribute, and what stands behind it.
fn attribute(text: &str) -> Option<((String, String), &str)> {
    let ends_name = |letter: char| letter.is_ascii_whitespace() || "=>/".contains(letter);
    let length = text.find(ends_name)?;
    if length == 0 {
        return None;
    }
    let (name, rest) = text.split_at(length);
    let name = name.to_ascii_lowercase();
    let Some(value) = rest.trim_ascii_start().strip_prefix('=') else {
        return Some(((name, String::new()), rest));
    };
    let value = value.trim_ascii_start();
    let (value, rest) = match value.chars().next()? {
        quote @ ('"' | '\'') => value[1..].split_once(quote)?,
        _ => value.split_at(value.find(|letter: char| letter.is_ascii_whitespace() || letter == '>')?),
    };
    Some(((name, resolved(value)), rest))
}

/// The length of a comment, a declaration or an instruction. What does not end goes on to the end.
fn comment_end(html: &str) -> Option<usize> {
    let kinds = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<!", ">"), ("<?", "?>")];
    let (start, end) = kinds.into_iter().find(|(start, _)| html.starts_with(start))?;
    let inside = &html[start.len()..];
    Some(
        inside
            .find(end)
            .map_or(html.len(), |at| start.len() + at + end.len()),
    )
}

/// The text with the entities resolved that need no table.
fn resolved(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        rest = &rest[start + 1..];
        let entity = rest.split_once(';').filter(|(name, _)| name.len() <= 10);
        if let Some((letter, behind)) = entity.and_then(|(name, behind)| Some((letter(name)?, behind))) {
            out.push(letter);
            rest = behind;
        } else {
            out.push('&');
        }
    }
    out.push_str(rest);
    out
}

fn letter(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let number = match number.strip_prefix(['x', 'X']) {
            Some(number) => u32::from_str_radix(number, 16),
            None => number.parse(),
        };
        return char::from_u32(number.ok()?).filter(|letter| *letter != '\0');
    }
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some('\u{a0}'),
        _ => None,
    }
}
