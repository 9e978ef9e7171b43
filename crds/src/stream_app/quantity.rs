//! Kubernetes quantities of bytes, such as `10Gi`.

/// Bytes of a quantity: a whole number with an optional suffix `k M G T` (powers of 1000) or
/// `Ki Mi Gi Ti` (powers of 1024). `None` where it is not one, or too large for 63 bits.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let (base, power): (u64, u32) = match suffix {
        "" => (1, 1),
        "k" => (1000, 1),
        "M" => (1000, 2),
        "G" => (1000, 3),
        "T" => (1000, 4),
        "Ki" => (1024, 1),
        "Mi" => (1024, 2),
        "Gi" => (1024, 3),
        "Ti" => (1024, 4),
        _ => return None,
    };
    let count: u64 = number.parse().ok()?;
    count
        .checked_mul(base.pow(power))
        .filter(|&bytes| i64::try_from(bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_a_whole_number_with_a_suffix() {
        assert_eq!(bytes("10Gi"), Some(10 << 30));
        assert_eq!(bytes("500M"), Some(500_000_000));
        assert_eq!(bytes("7"), Some(7));
        for wrong in [
            "",
            "Gi",
            "1.5Gi",
            "10GB",
            "-1",
            "99999999999999999999",
            "9000000000000Ti",
        ] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
