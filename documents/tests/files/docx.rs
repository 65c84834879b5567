//! Word's documents.

use documents::page::import::docx;

use super::pages::shown;

/// An archive with these files, not compressed.
pub(crate) fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let files: Vec<(&str, &[u8], u16, u32)> = files
        .iter()
        .map(|(name, text)| (*name, text.as_bytes(), 0, text.len() as u32))
        .collect();
    archive_of(&files)
}

/// An archive with these files: name, data, how it is compressed, the length that it is said to have.
pub(crate) fn archive_of(files: &[(&str, &[u8], u16, u32)]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    let mut directory: Vec<u8> = Vec::new();
    for (name, data, method, length) in files {
        let offset = out.len() as u32;
        let mut head: Vec<u8> = Vec::new();
        head.extend([20, 0, 0, 0]);
        head.extend(method.to_le_bytes());
        head.extend([0; 8]);
        head.extend((data.len() as u32).to_le_bytes());
        head.extend(length.to_le_bytes());
        head.extend((name.len() as u16).to_le_bytes());
        head.extend([0, 0]);
        out.extend(b"PK\x03\x04");
        out.extend(&head);
        out.extend(name.as_bytes());
        out.extend(*data);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&head);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend((files.len() as u16).to_le_bytes());
    out.extend((files.len() as u16).to_le_bytes());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

const STYLES: &str = r#"<w:styles>
  <w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>
  <w:style w:styleId="Mine"><w:name w:val="Mine"/><w:basedOn w:val="berschrift1"/></w:style>
  <w:style w:styleId="Titel"><w:name w:val="Title"/></w:style>
  <w:style w:styleId="Zitat"><w:name w:val="Quote"/></w:style>
  <w:style w:styleId="Code"><w:name w:val="HTML Preformatted"/></w:style>
</w:styles>"#;

const NUMBERING: &str = r#"<w:numbering>
  <w:abstractNum w:abstractNumId="5">
    <w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/></w:lvl><w:lvl w:ilvl="1"><w:numFmt w:val="decimal"/></w:lvl>
  </w:abstractNum>
  <w:num w:numId="7"><w:abstractNumId w:val="5"/></w:num>
</w:numbering>"#;

const LINKS: &str = r#"<Relationships><Relationship Id="rId1" Type="http://x/hyperlink" Target="https://example.org/?a=1&amp;b=2"/>
  <Relationship Id="rId2" Type="http://x/hyperlink" Target="javascript:no()"/></Relationships>"#;

fn read(body: &str) -> documents::page::import::Imported {
    let document =
        format!("<?xml version=\"1.0\"?><w:document xmlns:w=\"w\"><w:body>{body}</w:body></w:document>");
    let file = archive(&[
        ("[Content_Types].xml", "<Types/>"),
        ("word/_rels/document.xml.rels", LINKS),
        ("word/document.xml", &document),
        ("word/styles.xml", STYLES),
        ("word/numbering.xml", NUMBERING),
    ]);
    docx(&file).unwrap()
}

#[test]
fn what_word_writes_is_on_the_page() {
    let item = |level: u8, text: &str| {
        format!(
            "<w:p><w:pPr><w:numPr><w:ilvl w:val=\"{level}\"/><w:numId w:val=\"7\"/></w:numPr></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"
        )
    };
    let read = read(&format!(
        r#"<w:p><w:pPr><w:pStyle w:val="Titel"/></w:pPr><w:r><w:t>Rivers</w:t></w:r></w:p>
        <w:p><w:pPr><w:pStyle w:val="Mine"/></w:pPr><w:r><w:t>One &amp; two</w:t></w:r></w:p><w:p/>
        <w:p><w:r><w:rPr><w:b/><w:i w:val="0"/></w:rPr><w:t xml:space="preserve">bold </w:t></w:r>
          <w:ins><w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>2</w:t></w:r></w:ins>
          <w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:r><w:br/><w:t>next</w:t><w:footnoteReference w:id="1"/></w:r></w:p>
        {}{}{}
        <w:p><w:hyperlink r:id="rId1"><w:r><w:rPr><w:u w:val="single"/></w:rPr><w:t>there</w:t></w:r></w:hyperlink>
          <w:hyperlink r:id="rId2"><w:r><w:t>nowhere</w:t></w:r></w:hyperlink><w:r><w:drawing><w:p><w:r><w:t>x</w:t></w:r></w:p></w:drawing></w:r></w:p>
        <w:p><w:pPr><w:pStyle w:val="Zitat"/></w:pPr><w:r><w:t>said</w:t></w:r></w:p>
        <w:p><w:pPr><w:pStyle w:val="Zitat"/></w:pPr><w:r><w:t>again</w:t></w:r></w:p>
        <w:p><w:pPr><w:pStyle w:val="Code"/></w:pPr><w:r><w:t>let a;</w:t></w:r></w:p>
        <w:p><w:pPr><w:pStyle w:val="Code"/></w:pPr><w:r><w:t>let b;</w:t></w:r></w:p>
        <w:tbl><w:tr><w:trPr><w:tblHeader/></w:trPr><w:tc><w:p><w:r><w:t>H</w:t></w:r></w:p></w:tc><w:tc><w:p/></w:tc></w:tr>
          <w:tr><w:tc><w:tcPr><w:gridSpan w:val="2"/></w:tcPr><w:p><w:r><w:t>wide</w:t></w:r></w:p></w:tc></w:tr></w:tbl>
        <w:p><m:oMath><m:r><m:t>x</m:t></m:r></m:oMath></w:p>"#,
        item(0, "a"),
        item(1, "b"),
        item(0, "c"),
    ));
    let expected = "heading[]{\"level\": Integer(1)} \"One & two\"[]\n\
                    paragraph[]{} \"bold \"[\"strong\"] \"2\"[\"superscript\"] \"\\nnext\"[]\n\
                    unordered-list-item[]{} \"a\"[]\n\
                    ordered-list-item[\"unordered-list-item\"]{} \"b\"[]\n\
                    unordered-list-item[]{} \"c\"[]\n\
                    paragraph[]{} \"there\"[\"link\"] \"nowhere\"[]\n\
                    blockquote[]{} \"said\"[]\n\
                    paragraph[\"blockquote\"]{} \"again\"[]\n\
                    code-block[]{} \"let a;\\nlet b;\"[]\n\
                    table-row[]{\"header\": Boolean(true)} \"H\"[]\n\
                    table-cell[\"table-row\"]{}\n\
                    table-row[]{} \"wide\"[]\n\
                    table-cell[\"table-row\"]{}\n";
    assert_eq!(shown(&read.blocks), expected);
    assert_eq!(read.title.as_deref(), Some("Rivers"));
    let left_out = read.left_out;
    assert_eq!((left_out.images, left_out.notes, left_out.formulas), (1, 1, 1));
}
