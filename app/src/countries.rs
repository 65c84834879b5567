//! The countries that a school can be in.

use crate::intl;
use crate::messages::say;

/// A country: its ISO 3166-1 alpha-2 code and its name in the person's language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Country {
    pub(crate) code: &'static str,
    pub(crate) name: String,
}

/// All countries, in the order of their names.
pub(crate) fn all() -> Vec<Country> {
    let language = say().tag();
    let codes: Vec<&'static str> = codes().collect();
    let names = intl::country_names(language, &codes);
    let mut countries: Vec<Country> = codes
        .into_iter()
        .zip(names)
        .map(|(code, name)| Country { code, name })
        .collect();
    intl::sort_by_text(language, &mut countries, |country| &country.name);
    countries
}

/// The name of one country.
pub(crate) fn name(code: &str) -> String {
    intl::country_names(say().tag(), &[code])
        .pop()
        .unwrap_or_default()
}

fn codes() -> impl Iterator<Item = &'static str> {
    CODES.split_ascii_whitespace()
}

/// ISO 3166-1, and XK, which Kosovo uses and browsers know.
const CODES: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF \
    CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH \
    GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW \
    KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG \
    NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN \
    SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE \
    YT ZA ZM ZW";

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn the_list_is_whole_and_sorted() {
        let codes: Vec<&str> = codes().collect();
        // 249 in ISO 3166-1, and Kosovo.
        assert_eq!(codes.len(), 250);
        assert!(codes.is_sorted_by(|left, right| left < right));
        assert!(codes.iter().all(|code| code.len() == 2));
    }

    #[wasm_bindgen_test]
    fn the_browser_names_every_country() {
        let unnamed: Vec<Country> = all()
            .into_iter()
            .filter(|country| country.name == country.code)
            .collect();
        assert_eq!(unnamed, []);
    }
}
