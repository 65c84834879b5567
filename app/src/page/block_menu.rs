//! What the menu offers that a slash opens in the text, in the person's language.

use serde::Serialize;

use crate::messages::say;

#[derive(Debug, Serialize)]
pub(crate) struct BlockMenu {
    label: &'static str,
    items: Vec<Item>,
}

/// A command of the editor, and what it is called.
#[derive(Debug, Serialize)]
struct Item {
    name: &'static str,
    command: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<u8>,
}

pub(crate) fn block_menu() -> BlockMenu {
    let item = |name, command| Item {
        name,
        command,
        value: None,
    };
    let heading = |name, level| Item {
        name,
        command: "heading",
        value: Some(level),
    };
    BlockMenu {
        label: say().insert(),
        items: vec![
            item(say().style_paragraph(), "paragraph"),
            heading(say().style_heading_1(), 1),
            heading(say().style_heading_2(), 2),
            heading(say().style_heading_3(), 3),
            item(say().bulleted_list(), "bulleted"),
            item(say().numbered_list(), "numbered"),
            item(say().check_list(), "check"),
            item(say().quote(), "quote"),
            item(say().style_code_block(), "code-block"),
            item(say().style_callout(), "callout"),
            item(say().divider(), "divider"),
            item(say().table(), "table"),
            item(say().image(), "image"),
            item(say().math(), "math"),
        ],
    }
}
