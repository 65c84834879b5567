//! What comes from word processors: a document of Word as a file, and what they put on the clipboard.

use std::fs;

use flate2::Crc;
use serde_json::{Value, json};
use tests::{Browser, Pair, Profile, Result, same_page, wait_until};

/// An archive of these files, as Word's documents are.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in files {
        let offset = u32::try_from(out.len()).unwrap_or(u32::MAX);
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes();
        let mut crc = Crc::new();
        crc.update(data);
        let mut head = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        head.extend(crc.sum().to_le_bytes());
        head.extend(length);
        head.extend(length);
        head.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
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
    let start = u32::try_from(out.len()).unwrap_or(u32::MAX).to_le_bytes();
    let length = u32::try_from(directory.len()).unwrap_or(u32::MAX).to_le_bytes();
    let count = u16::try_from(files.len()).unwrap_or(u16::MAX).to_le_bytes();
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([count, count].concat());
    out.extend([length, start].concat());
    out.extend([0, 0]);
    out
}

const TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
  <Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
  <Default Extension="xml" ContentType="application/xml"/><Default Extension="png" ContentType="image/png"/>
  <Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/>
  <Override PartName="/word/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.styles+xml"/>
  <Override PartName="/word/numbering.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.numbering+xml"/>
</Types>"#;

const PACKAGE: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1"
  Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>"#;

const RELATIONSHIPS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
  <Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/>
  <Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/numbering" Target="numbering.xml"/>
  <Relationship Id="rId3" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image" Target="media/image1.png"/>
  <Relationship Id="rId4" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/hyperlink" Target="https://example.org/tana" TargetMode="External"/>
</Relationships>"#;

const STYLES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<w:styles xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">
  <w:docDefaults><w:rPrDefault><w:rPr><w:lang w:val="en-GB" w:eastAsia="en-US" w:bidi="ar-SA"/></w:rPr></w:rPrDefault></w:docDefaults>
  <w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style>
  <w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/><w:basedOn w:val="Normal"/></w:style>
  <w:style w:type="paragraph" w:styleId="Heading2"><w:name w:val="heading 2"/><w:basedOn w:val="Normal"/></w:style>
  <w:style w:type="paragraph" w:styleId="Caption"><w:name w:val="caption"/><w:basedOn w:val="Normal"/></w:style>
</w:styles>"#;

const NUMBERING: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<w:numbering xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">
  <w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="bullet"/><w:lvlText w:val="•"/></w:lvl>
    <w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%2."/></w:lvl></w:abstractNum>
  <w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>
</w:numbering>"#;

/// A document of Word with a picture.
fn document(picture: &[u8]) -> Vec<u8> {
    let run = |about: &str, text: &str| {
        format!("<w:r><w:rPr>{about}</w:rPr><w:t xml:space=\"preserve\">{text}</w:t></w:r>")
    };
    let paragraph = |about: &str, runs: &str| format!("<w:p><w:pPr>{about}</w:pPr>{runs}</w:p>");
    let styled =
        |style: &str, text: &str| paragraph(&format!("<w:pStyle w:val=\"{style}\"/>"), &run("", text));
    let item = |level: u8, text: &str| {
        let list = format!("<w:numPr><w:ilvl w:val=\"{level}\"/><w:numId w:val=\"1\"/></w:numPr>");
        paragraph(&list, &run("", text))
    };
    let row = |about: &str, cells: [&str; 2]| {
        let cells = cells.map(|text| format!("<w:tc><w:tcPr/>{}</w:tc>", paragraph("", &run("", text))));
        format!("<w:tr><w:trPr>{about}</w:trPr>{}</w:tr>", cells.concat())
    };
    let drawing = "<w:r><w:drawing><wp:inline><wp:extent cx=\"571500\" cy=\"381000\"/><wp:docPr id=\"1\" name=\"Picture 1\" descr=\"A bridge\"/>\
        <a:graphic><a:graphicData uri=\"http://schemas.openxmlformats.org/drawingml/2006/picture\"><pic:pic><pic:nvPicPr>\
        <pic:cNvPr id=\"0\" name=\"image1.png\"/><pic:cNvPicPr/></pic:nvPicPr><pic:blipFill><a:blip r:embed=\"rId3\"/></pic:blipFill>\
        <pic:spPr/></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r>";
    let body = [
        styled("Heading1", "The Tana"),
        paragraph(
            "",
            &[
                run("<w:b/>", "Long"),
                run("", " and "),
                run("<w:i/>", "wide"),
                format!(
                    "<w:hyperlink r:id=\"rId4\">{}</w:hyperlink>",
                    run("", ", see there")
                ),
            ]
            .concat(),
        ),
        styled("Heading2", "Places"),
        item(0, "Garissa"),
        item(1, "at the bridge"),
        item(0, "Hola"),
        paragraph("", drawing),
        styled("Caption", "In June"),
        paragraph("", &run("<w:lang w:val=\"sw-KE\"/>", "Mto ni mrefu")),
        format!(
            "<w:tbl>{}{}</w:tbl>",
            row("<w:tblHeader/>", ["Place", "Depth"]),
            row("", ["Garissa", "4"])
        ),
        paragraph(
            "<w:bidi/>",
            &run("<w:rtl/><w:lang w:bidi=\"ar-EG\"/>", "يجري النهر"),
        ),
    ]
    .concat();
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\
         <w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\" \
         xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\" \
         xmlns:wp=\"http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing\" \
         xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\" \
         xmlns:pic=\"http://schemas.openxmlformats.org/drawingml/2006/picture\"><w:body>{body}</w:body></w:document>"
    );
    archive(&[
        ("[Content_Types].xml", TYPES.as_bytes()),
        ("_rels/.rels", PACKAGE.as_bytes()),
        ("word/document.xml", document.as_bytes()),
        ("word/_rels/document.xml.rels", RELATIONSHIPS.as_bytes()),
        ("word/styles.xml", STYLES.as_bytes()),
        ("word/numbering.xml", NUMBERING.as_bytes()),
        ("word/media/image1.png", picture),
    ])
}

/// A picture of 60 by 40, as PNG.
async fn picture(browser: &Browser) -> Result<Vec<u8>> {
    let bytes = browser
        .run(
            "const canvas = new OffscreenCanvas(60, 40);
             canvas.getContext('2d').fillRect(0, 0, 60, 40);
             return [...new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer())];",
        )
        .await?;
    Ok(serde_json::from_value(bytes).unwrap_or_default())
}

/// The pictures that are shown: how wide, and what is said of them.
async fn pictures(browser: &Browser) -> Result<Value> {
    browser
        .run(
            "const figures = document.querySelectorAll('[aria-label=Page] figure[data-state=shown]');
             return [...figures].map((figure) => {
               const image = figure.querySelector('img');
               return [image.naturalWidth, image.alt, figure.querySelector('figcaption').textContent];
             });",
        )
        .await
}

const BROUGHT: &str = "<h1>The Tana</h1><p><strong>Long</strong> and <em>wide</em><a>, see there</a></p><h2>Places</h2>\
    <ul><li><p>Garissa</p><ol><li><p>at the bridge</p></li></ol></li><li><p>Hola</p></li></ul>\
    <figure><figcaption>In June</figcaption></figure><p>Mto ni mrefu</p>\
    <div><table><tbody><tr><td><p>Place</p></td><td><p>Depth</p></td></tr><tr><td><p>Garissa</p></td><td><p>4</p></td></tr></tbody></table></div>\
    <p>يجري النهر</p>";

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_word_comes_in_whole_and_goes_out_as_html() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    let folder = Profile::new()?;
    amina.download_to(folder.path()).await?;
    let file = folder.path().join("tana.docx");
    fs::write(&file, document(&picture(amina).await?)).unwrap();
    // All of it happens on the device.
    pair.journey.link(0).cut();
    amina.import_page(&file, "Paragraphs, items and cells").await?;
    assert_eq!(amina.page().await?, BROUGHT);
    let shown = json!([[60, "A bridge", "In June"]]);
    wait_until("the picture is shown", async || {
        Ok(pictures(amina).await? == shown)
    })
    .await?;
    let languages = amina
        .run("return [...document.querySelectorAll('[aria-label=Page] :is(p, h1)[lang]')].map(({ lang, textContent }) => `${lang} ${textContent}`)")
        .await?;
    let languages: Vec<String> = serde_json::from_value(languages).unwrap();
    for said in ["en-GB The Tana", "sw-KE Mto ni mrefu", "ar-EG يجري النهر"] {
        assert!(languages.iter().any(|other| other == said), "{languages:?}");
    }
    assert_eq!(
        amina
            .run("return document.querySelectorAll('[aria-label=Page] td.heading').length")
            .await?,
        2
    );
    let html = amina.export_page(folder.path(), "HTML", "html").await?;
    let html = fs::read_to_string(html).unwrap();
    for part in [
        "<h1 dir=\"auto\" lang=\"en-GB\">The Tana</h1>",
        "<strong>Long</strong>",
        "href=\"https://example.org/tana\"",
        "<th scope=\"col\"><p dir=\"auto\" lang=\"en-GB\">Depth</p>",
        "alt=\"A bridge\"",
        "data:image/",
        "<figcaption dir=\"auto\">In June</figcaption>",
        "lang=\"sw-KE\">Mto ni mrefu</p>",
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    pair.journey.link(0).restore();
    jonas.wait_for_page("يجري النهر").await?;
    wait_until("the other one sees the picture", async || {
        Ok(pictures(jonas).await? == shown)
    })
    .await?;
    assert_eq!(same_page(&[amina, jonas]).await?, BROUGHT);
    pair.part().await
}

/// Pastes markup where the caret is.
async fn paste(browser: &Browser, html: &str) -> Result<()> {
    browser
        .run(&format!(
            "const clipboardData = new DataTransfer();
             clipboardData.setData('text/html', {});
             clipboardData.setData('text/plain', 'as plain text');
             document.querySelector('[aria-label=Page]')
               .dispatchEvent(new ClipboardEvent('paste', {{ clipboardData, bubbles: true, cancelable: true }}));",
            Value::from(html)
        ))
        .await?;
    Ok(())
}

/// As Word writes it.
const FROM_WORD: &str = r#"<html xmlns:o="urn:schemas-microsoft-com:office:office" xmlns:w="urn:schemas-microsoft-com:office:word">
<head><meta name=Generator content="Microsoft Word 15"><style><!-- p.MsoNormal {margin:0cm; font-size:11.0pt;} @list l0:level1 {mso-level-number-format:bullet;} --></style></head>
<body lang=EN-GB style='tab-interval:36.0pt'><!--StartFragment-->
<h2>Places<o:p></o:p></h2>
<p class=MsoNormal>The <b style='mso-bidi-font-weight:normal'>Tana</b> and <i style='mso-bidi-font-style:normal'>the
Athi</i><span style='mso-bidi-font-weight:bold'> meet</span>.<o:p></o:p></p>
<p class=MsoListParagraphCxSpFirst style='text-indent:-18.0pt;mso-list:l0 level1 lfo1'><![if !supportLists]><span
style='font-family:Symbol'><span style='mso-list:Ignore'>·<span style='font:7.0pt "Times New Roman"'>&nbsp;&nbsp;&nbsp;&nbsp; </span></span></span><![endif]>Garissa<o:p></o:p></p>
<p class=MsoListParagraphCxSpMiddle style='margin-left:72.0pt;mso-list:l0 level2 lfo1'><![if !supportLists]><span style='mso-list:Ignore'>1.<span>&nbsp;&nbsp; </span></span><![endif]>at the bridge<o:p></o:p></p>
<p class=MsoListParagraphCxSpLast style='text-indent:-18.0pt;mso-list:l0 level1 lfo1'><![if !supportLists]><span style='mso-list:Ignore'>·<span>&nbsp; </span></span><![endif]>Hola<o:p></o:p></p>
<table class=MsoTableGrid border=1><thead><tr><td width=100><p class=MsoNormal>Place<o:p></o:p></p></td><td><p class=MsoNormal>Depth<o:p></o:p></p></td></tr></thead>
<tr><td width=100><p class=MsoNormal>Hola<o:p></o:p></p></td><td><p class=MsoNormal>3<o:p></o:p></p></td></tr></table>
<!--EndFragment--></body></html>"#;

/// As Google Docs writes it.
const FROM_DOCS: &str = r#"<meta charset='utf-8'><b style="font-weight:normal;" id="docs-internal-guid-1"><h2 dir="ltr" style="line-height:1.38"><span style="font-size:16pt;font-weight:400">Places</span></h2>
<p dir="ltr"><span>The </span><span style="font-weight:700">Tana</span><span> and </span><span style="font-style:italic">the Athi</span><span> meet.</span></p>
<ul style="margin-top:0"><li dir="ltr" aria-level="1"><p dir="ltr" role="presentation"><span>Garissa</span></p></li><ol><li dir="ltr" aria-level="2"><p dir="ltr" role="presentation"><span>at the bridge</span></p></li></ol><li dir="ltr" aria-level="1"><p dir="ltr" role="presentation"><span>Hola</span></p></li></ul>
<p dir="ltr"><span>Then:</span></p><ul><li dir="ltr" role="checkbox" aria-checked="true" aria-level="1"><img src="data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==" width="17.6px" alt="checked" aria-roledescription="checkbox" /><p dir="ltr" role="presentation"><span>measured</span></p></li></ul></b>"#;

/// As LibreOffice writes it.
const FROM_LIBREOFFICE: &str = r#"<!DOCTYPE html><html><head><meta name="generator" content="LibreOffice 24.8 (Linux)"/><style type="text/css">p { margin-bottom: 0.25cm }</style></head>
<body lang="en-GB" dir="ltr"><h2 class="western">Places</h2>
<p style="margin-bottom: 0cm">The <b>Tana</b> and <i>the
Athi</i> meet.</p>
<ul>
	<li><p style="margin-bottom: 0cm">Garissa</p>
	<ol>
		<li><p>at the bridge</p></li>
	</ol>
	</li>
	<li><p>Hola</p></li>
</ul>
<table width="100%"><thead><tr><th><p>Place</p></th><th><p>Depth</p></th></tr></thead><tbody><tr><td><p>Hola</p></td><td><p>3</p></td></tr></tbody></table></body></html>"#;

const LISTED: &str = "<h2>Places</h2><p>The <strong>Tana</strong> and <em>the Athi</em> meet.</p>\
    <ul><li><p>Garissa</p><ol><li><p>at the bridge</p></li></ol></li><li><p>Hola</p></li></ul>";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pasted_from_word_processors_keeps_its_structure() -> Result<()> {
    let table = "<table><tbody><tr><td><p>Place</p></td><td><p>Depth</p></td></tr><tr><td><p>Hola</p></td><td><p>3</p></td></tr></tbody></table>";
    let checked = "<ul><li><p>☑measured</p></li></ul>";
    for (html, rest, headings) in [
        (FROM_WORD, table, 2),
        (FROM_DOCS, checked, 0),
        (FROM_LIBREOFFICE, table, 2),
    ] {
        let pair = Pair::meet().await?;
        let (amina, jonas) = (&pair.amina, &pair.jonas);
        amina.write("").await?;
        paste(amina, html).await?;
        jonas.wait_for_page("Hola").await?;
        let page = same_page(&[amina, jonas]).await?;
        assert!(page.starts_with(LISTED) && page.contains(rest), "{page}");
        assert!(!page.contains('·') && !page.contains("1."), "{page}");
        let found = jonas
            .run("return document.querySelectorAll('[aria-label=Page] td.heading').length")
            .await?;
        assert_eq!(found, headings);
        assert_eq!(
            jonas
                .run("return document.querySelectorAll('[aria-label=Page] figure').length")
                .await?,
            0
        );
        pair.part().await?;
    }
    Ok(())
}
