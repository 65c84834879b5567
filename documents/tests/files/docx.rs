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

/// A file with pictures: its parts by name.
fn with_pictures(
    body: &str,
    relationships: &str,
    parts: &[(&str, &[u8], u16)],
) -> documents::page::import::Imported {
    let document = format!("<w:document><w:body>{body}</w:body></w:document>");
    let relationships = format!("<Relationships>{relationships}</Relationships>");
    let styles = "<w:styles><w:style w:styleId=\"Bild\"><w:name w:val=\"caption\"/></w:style></w:styles>";
    let mut files: Vec<(&str, &[u8], u16, u32)> = vec![
        ("word/document.xml", document.as_bytes(), 0, document.len() as u32),
        ("word/styles.xml", styles.as_bytes(), 0, styles.len() as u32),
        (
            "word/_rels/document.xml.rels",
            relationships.as_bytes(),
            0,
            relationships.len() as u32,
        ),
    ];
    files.extend(
        parts
            .iter()
            .map(|(name, data, method)| (*name, *data, *method, data.len() as u32)),
    );
    docx(&archive_of(&files)).unwrap()
}

fn relationship(id: &str, target: &str) -> String {
    format!("<Relationship Id=\"{id}\" Type=\"http://x/image\" Target=\"{target}\"/>")
}

fn drawing(id: &str, described: &str) -> String {
    format!(
        "<w:r><mc:AlternateContent><mc:Choice><w:drawing><wp:inline><wp:docPr id=\"1\" descr=\"{described}\"/><a:graphic><pic:pic>\
         <pic:nvPicPr><pic:cNvPr descr=\"inner\"/></pic:nvPicPr><pic:blipFill><a:blip r:embed=\"{id}\"/></pic:blipFill></pic:pic></a:graphic>\
         </wp:inline></w:drawing></mc:Choice><mc:Fallback><w:pict><v:imagedata r:id=\"{id}\"/></w:pict></mc:Fallback></mc:AlternateContent></w:r>"
    )
}

#[test]
fn pictures_come_out_of_the_archive() {
    let relationships = [
        relationship("r1", "media/image1.png"),
        relationship("r2", "/word/media/image2.gif"),
        relationship("r3", "media/lost.png"),
        "<Relationship Id=\"r4\" Type=\"http://x/image\" Target=\"https://example.org/x.png\" TargetMode=\"External\"/>".to_owned(),
    ]
    .concat();
    let text = |text: &str| format!("<w:r><w:t>{text}</w:t></w:r>");
    let old = "<w:r><w:pict><v:shape alt=\"From before\"><v:imagedata r:id=\"r2\"/></v:shape></w:pict></w:r>";
    let shape = "<w:r><w:drawing><wp:docPr descr=\"An arrow\"/><wps:wsp><wps:txbx><w:txbxContent><w:p><w:r><w:t>lost</w:t></w:r></w:p></w:txbxContent></wps:txbx></wps:wsp></w:drawing></w:r>";
    let decorative = "<w:r><w:drawing><wp:docPr><a:extLst><adec:decorative val=\"1\"/></a:extLst></wp:docPr><a:blip r:embed=\"r1\"/></w:drawing></w:r>";
    let body = [
        format!(
            "<w:p>{}{}{}</w:p>",
            text("Before"),
            drawing("r1", "A &quot;leaf&quot;"),
            text("after")
        ),
        format!(
            "<w:p><w:pPr><w:pStyle w:val=\"Bild\"/></w:pPr>{}</w:p>",
            text("no picture above")
        ),
        format!(
            "<w:p>{old}</w:p><w:p><w:pPr><w:pStyle w:val=\"Bild\"/></w:pPr>{}</w:p>",
            text("Figure 1")
        ),
        format!(
            "<w:p>{}</w:p><w:p>{}</w:p><w:p>{shape}</w:p><w:p>{decorative}</w:p>",
            drawing("r3", "Gone"),
            drawing("r4", "")
        ),
        format!(
            "<w:tbl><w:tr><w:tc><w:p>{}</w:p></w:tc></w:tr></w:tbl>",
            drawing("r1", "")
        ),
    ]
    .concat();
    let parts: [(&str, &[u8], u16); 2] = [
        ("word/media/image1.png", super::pages::DOT, 0),
        ("word/media/image2.gif", b"GIF89a", 0),
    ];
    let read = with_pictures(&body, &relationships, &parts);
    assert_eq!(read.pictures, [super::pages::DOT.to_vec(), b"GIF89a".to_vec()]);
    assert_eq!(read.left_out.images, 3);
    let expected = "paragraph[]{} \"Before\"[]\n\
                    image[]{\"alt\": Text(\"A \\\"leaf\\\"\"), \"src\": Text(\"import:0\")}\n\
                    paragraph[]{} \"after\"[]\n\
                    paragraph[]{} \"no picture above\"[]\n\
                    image[]{\"alt\": Text(\"From before\"), \"src\": Text(\"import:1\")} \"Figure 1\"[]\n\
                    paragraph[]{} \"Gone\"[]\n\
                    paragraph[]{} \"inner\"[]\n\
                    paragraph[]{} \"An arrow\"[]\n\
                    image[]{\"alt\": Text(\"\"), \"src\": Text(\"import:0\")}\n\
                    table-row[]{}\n\
                    image[\"table-row\"]{\"alt\": Text(\"inner\"), \"src\": Text(\"import:0\")}\n";
    assert_eq!(shown(&read.blocks), expected);
}

#[test]
fn pictures_that_are_too_large_leave_their_words() {
    // Each bomb is 16 MB of zeros in a few KB.
    let bombs: Vec<(String, Vec<u8>)> = (0..6_u8)
        .map(|number| {
            let mut deflating = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
            for _ in 0..(16 << 20) / 1024 {
                std::io::Write::write_all(&mut deflating, &[number; 1024]).unwrap();
            }
            (format!("word/media/{number}.png"), deflating.finish().unwrap())
        })
        .collect();
    let parts: Vec<(&str, &[u8], u16)> = bombs
        .iter()
        .map(|(name, data)| (name.as_str(), data.as_slice(), 8))
        .collect();
    let relationships: String = (0..6)
        .map(|number| relationship(&format!("r{number}"), &format!("media/{number}.png")))
        .collect();
    let body: String = (0..6)
        .map(|number| {
            format!(
                "<w:p>{}</w:p>",
                drawing(&format!("r{number}"), &format!("bomb {number}"))
            )
        })
        .collect();
    let read = with_pictures(&body, &relationships, &parts);
    let size: usize = read.pictures.iter().map(Vec::len).sum();
    assert!(size <= documents::page::import::MOST_PICTURE_BYTES);
    assert_eq!((read.pictures.len(), read.left_out.images), (4, 2));
    assert_eq!(read.blocks.last().unwrap().text(), "bomb 5");
}

#[test]
fn a_picture_that_is_shown_often_is_inflated_once() {
    // 16 MB of zeros each: inflated for every one of these, they would take minutes. The second is too large.
    let bomb = |size: usize| {
        let mut deflating = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut deflating, &vec![0; size]).unwrap();
        deflating.finish().unwrap()
    };
    let bombs = [bomb(16 << 20), bomb(documents::page::import::LARGEST_FILE + 1)];
    let parts: [(&str, &[u8], u16); 2] = [
        ("word/media/1.png", &bombs[0], 8),
        ("word/media/2.png", &bombs[1], 8),
    ];
    let relationships = [
        relationship("r1", "media/1.png"),
        relationship("r2", "media/2.png"),
        relationship("r3", "media/2.png"),
    ]
    .concat();
    let each = ["r1", "r2", "r3"].map(|id| drawing(id, "zeros")).concat();
    let read = with_pictures(
        &format!("<w:p>{each}</w:p>").repeat(1_000),
        &relationships,
        &parts,
    );
    assert_eq!((read.pictures.len(), read.left_out.images), (1, 2_000));
    let placed = read.blocks.iter().filter(|block| block.shape.is_embed).count();
    assert_eq!(placed, 1_000);
}

#[test]
fn only_so_many_parts_are_looked_at() {
    let most = documents::page::import::MOST_PICTURES;
    let there = relationship("there", "media/there.png");
    let lost = (0..most).map(|number| relationship(&format!("r{number}"), &format!("media/{number}.png")));
    let relationships = [there].into_iter().chain(lost).collect::<String>();
    let drawn = |from: usize| {
        let lost = (from..most).map(|number| drawing(&format!("r{number}"), "Gone"));
        let all: String = lost.chain([drawing("there", "")]).collect();
        let parts: [(&str, &[u8], u16); 1] = [("word/media/there.png", super::pages::DOT, 0)];
        with_pictures(&format!("<w:p>{all}</w:p>"), &relationships, &parts)
    };
    assert_eq!(drawn(1).pictures, [super::pages::DOT.to_vec()]);
    assert!(drawn(0).pictures.is_empty());
}

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

#[test]
fn the_language_of_most_of_a_paragraph_is_said() {
    let styles = r#"<w:styles>
      <w:docDefaults><w:rPrDefault><w:rPr><w:lang w:val="de-DE" w:eastAsia="en-US" w:bidi="ar-SA"/></w:rPr></w:rPrDefault></w:docDefaults>
      <w:style w:styleId="Fr"><w:name w:val="Français"/><w:rPr><w:lang w:val="fr-FR"/></w:rPr></w:style>
      <w:style w:styleId="FrToo"><w:name w:val="Aussi"/><w:basedOn w:val="Fr"/></w:style>
      <w:style w:styleId="Code"><w:name w:val="HTML Preformatted"/></w:style>
    </w:styles>"#;
    let run = |lang: &str, text: &str| {
        format!("<w:r><w:rPr>{lang}</w:rPr><w:t xml:space=\"preserve\">{text}</w:t></w:r>")
    };
    let styled = |style: &str, text: &str| {
        format!(
            "<w:p><w:pPr><w:pStyle w:val=\"{style}\"/><w:rPr><w:lang w:val=\"nl-NL\"/></w:rPr></w:pPr>{}</w:p>",
            run("", text)
        )
    };
    let body = [
        format!("<w:p>{}</w:p>", run("", "Der Fluss")),
        format!(
            "<w:p>{}{}</w:p>",
            run("", "Ein "),
            run("<w:lang w:val=\"sw-KE\"/>", "mto ni mrefu")
        ),
        styled("FrToo", "Le fleuve"),
        format!(
            "<w:p>{}</w:p>",
            run("<w:lang w:val=\"en-US\" w:bidi=\"hi-IN\"/>", "गंगा is नदी लम्बी")
        ),
        // Of these the document says only what Word was set to.
        format!("<w:p>{}</w:p><w:p>{}</w:p>", run("", "长江"), run("", "שלום")),
        format!("<w:p>{}</w:p>", run("<w:lang w:eastAsia=\"ja-JP\"/>", "川は長い")),
        format!("<w:p>{}</w:p>", run("<w:lang w:val=\"x-none\"/>", "Xyz")),
        styled("Code", "let depth"),
        format!(
            "<w:tbl><w:tr><w:tc><w:p>{}</w:p></w:tc><w:tc><w:p>{}</w:p></w:tc></w:tr></w:tbl>",
            run("", "Tiefe"),
            run("<w:lang w:val=\"en-GB\"/>", "Depth 4")
        ),
        format!("<w:p>{}</w:p>", run("", "12 + 4")),
    ]
    .concat();
    let document = format!("<w:document><w:body>{body}</w:body></w:document>");
    let read = docx(&archive(&[
        ("word/document.xml", &document),
        ("word/styles.xml", styles),
    ]))
    .unwrap();
    let said: Vec<String> = read
        .blocks
        .iter()
        .map(|block| format!("{} {}", block.shape.language().unwrap_or("-"), block.text()))
        .collect();
    let expected = [
        "de-DE Der Fluss",
        "sw-KE Ein mto ni mrefu",
        "fr-FR Le fleuve",
        "hi-IN गंगा is नदी लम्बी",
        "- 长江",
        "- שלום",
        "ja-JP 川は長い",
        "- Xyz",
        "- let depth",
        "de-DE Tiefe",
        "en-GB Depth 4",
        "- 12 + 4",
    ];
    assert_eq!(said, expected);
}

/// A file may say anything, as often as it likes.
#[test]
fn a_paragraph_of_runs_in_ever_other_languages_is_read() {
    let runs: String = (0..100_000)
        .map(|number| {
            format!(
                "<w:r><w:rPr><w:lang w:val=\"de-{number:06}\"/></w:rPr><w:t>a</w:t></w:r>\
                <w:r><w:rPr><w:lang w:val=\"no tag {number}\"/></w:rPr><w:t>1</w:t></w:r>"
            )
        })
        .collect();
    let last = "<w:r><w:rPr><w:lang w:val=\"de-000007\"/></w:rPr><w:t>b</w:t></w:r>";
    let document = format!("<w:document><w:body><w:p>{runs}{last}</w:p></w:body></w:document>");
    let read = docx(&archive(&[("word/document.xml", &document)])).unwrap();
    assert_eq!(read.blocks[0].text(), format!("{}b", "a1".repeat(100_000)));
    assert_eq!(read.blocks[0].shape.language(), Some("de-000007"));
}
