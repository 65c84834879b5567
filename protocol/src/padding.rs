//! PADMÉ: lengths that tell little. At most 12 % longer, and only O(log log n) bits of the length leak.
//!
//! Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", PoPETs 2019, §4.

/// The padded length of `length` bytes.
pub fn padded_length(length: usize) -> usize {
    if length < 2 {
        return length;
    }
    let exponent = length.ilog2();
    let exponent_bits = exponent.ilog2() + 1;
    let zero_bits = exponent.saturating_sub(exponent_bits);
    let mask = (1usize << zero_bits) - 1;
    length.saturating_add(mask) & !mask
}

#[cfg(test)]
mod tests {
    use super::padded_length;

    #[test]
    fn lengths_follow_the_paper() {
        assert_eq!(padded_length(0), 0);
        assert_eq!(padded_length(1), 1);
        assert_eq!(padded_length(9), 10);
        assert_eq!(padded_length(122), 128);
        assert_eq!(padded_length(1_000), 1_024);
        assert_eq!(padded_length(100_000), 100_352);
    }

    #[test]
    fn overhead_stays_under_an_eighth_and_padding_is_stable() {
        for length in 0..100_000 {
            let padded = padded_length(length);
            assert!(
                padded >= length && padded <= length + length / 8 + 1,
                "{length} became {padded}"
            );
            assert_eq!(padded_length(padded), padded);
        }
    }
}
