//! Durations as users write them: `500ms`, `10s`, `1h30m`.

/// Units, longest first, with their milliseconds.
const UNITS: [(&str, i64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Milliseconds of a duration: one or more whole numbers, each with a unit (`d`, `h`, `m`, `s`,
/// `ms`), longer units first and each at most once. `None` where the text is something else, or too
/// long to count.
pub fn parse_duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut next = 0;
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_lowercase).count();
        let (unit, after) = after.split_at(letters);
        let place = UNITS.iter().position(|(name, _)| *name == unit)?;
        if place < next {
            return None;
        }
        next = place + 1;
        let number: i64 = number.parse().ok()?;
        total = total.checked_add(number.checked_mul(UNITS[place].1)?)?;
        rest = after;
    }
    (next > 0).then_some(total)
}

/// A duration as [`parse_duration`] reads it.
pub fn duration(ms: i64) -> String {
    let mut text = String::new();
    let mut rest = ms.max(0);
    for (unit, length) in UNITS {
        if rest >= length {
            text.push_str(&format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    if text.is_empty() {
        text.push_str("0ms");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_to_the_millisecond_and_written_back() {
        for (text, ms) in [
            ("500ms", 500),
            ("5s", 5_000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("2d", 172_800_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("0ms", 0),
        ] {
            assert_eq!(parse_duration(text), Some(ms), "{text}");
            assert_eq!(duration(ms), text);
        }
        assert_eq!(parse_duration("90m"), Some(5_400_000));
        assert_eq!(parse_duration("0s"), Some(0));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "5",
            "s",
            "5 s",
            "-5s",
            "1.5h",
            "5S",
            "5s5s",
            "5s1h",
            "1h30",
            "PT5S",
            "5µs",
            "99999999999999999d",
            "9223372036854775807s",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
