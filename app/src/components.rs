//! Parts that several screens share.

pub(crate) mod avatar;
pub(crate) mod carry;
pub(crate) mod copy_button;
pub(crate) mod country_select;
pub(crate) mod device;
pub(crate) mod dialog;
pub(crate) mod header;
pub(crate) mod icon;
pub(crate) mod keys;
pub(crate) mod local_time;
pub(crate) mod menu;
pub(crate) mod notices;
pub(crate) mod profile_fields;
pub(crate) mod qr_code;
pub(crate) mod select;
pub(crate) mod status;
pub(crate) mod tab_title;
pub(crate) mod time_zone_select;
pub(crate) mod work_badge;
