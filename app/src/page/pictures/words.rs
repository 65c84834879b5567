//! What the editor says at pictures, in the person's language.

use serde::Serialize;

use crate::messages::say;

#[derive(Debug, Serialize)]
pub(crate) struct PictureWords {
    undescribed: &'static str,
    describe: &'static str,
    caption: &'static str,
    loading: &'static str,
    missing: &'static str,
    broken: &'static str,
    elsewhere: &'static str,
}

pub(crate) fn picture_words() -> PictureWords {
    PictureWords {
        undescribed: say().picture_undescribed(),
        describe: say().describe_picture(),
        caption: say().picture_caption(),
        loading: say().picture_loading(),
        missing: say().picture_missing(),
        broken: say().picture_broken(),
        elsewhere: say().picture_elsewhere(),
    }
}
