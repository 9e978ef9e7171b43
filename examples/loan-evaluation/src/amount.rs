//! An amount of money, exact from the JSON text to the JSON text.

use std::fmt;

use rust_decimal::Decimal;
use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{self, Serialize, Serializer};
use serde_json::value::RawValue;

/// A decimal that JSON carries as a plain number (`12.30`), with its scale. Never a double on the
/// way: it is read from and written as the number's own text, which only `serde_json` offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub Decimal);

impl Amount {
    /// An amount of this many cents.
    pub fn from_cents(cents: i64) -> Self {
        Self(Decimal::new(cents, 2))
    }

    /// Reads the text of a JSON number without exponent, of at most 28 digits.
    ///
    /// # Errors
    /// A reason for people, when the text is something else.
    pub fn parse(text: &str) -> Result<Self, String> {
        let plain = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        let decimal = plain.then(|| Decimal::from_str_exact(text).ok()).flatten();
        decimal
            .map(Self)
            .ok_or_else(|| format!("an amount must be a plain number such as 99.95, not {text}"))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.to_string())
            .map_err(ser::Error::custom)?
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn json_text_comes_back_digit_by_digit() {
        for text in [
            "12.30",
            "0.1",
            "-7",
            "100.00",
            "9007199254740993.01",
            "0.0000000000000001",
        ] {
            let amount: Amount = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&amount).unwrap(), text);
        }
    }

    #[test]
    fn cents_have_two_digits() {
        assert_eq!(Amount::from_cents(-1230).to_string(), "-12.30");
        assert_eq!(Amount::from_cents(5).to_string(), "0.05");
    }

    #[test]
    fn what_is_not_a_plain_number_is_refused_with_its_text() {
        for text in [r#""100""#, "true", "null", "[1]", "1e2", "1E-2"] {
            let error = serde_json::from_str::<Amount>(text)
                .unwrap_err()
                .to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn more_than_28_digits_are_refused_rather_than_rounded() {
        assert!(Amount::parse("0.12345678901234567890123456789").is_err());
        assert!(Amount::parse("1234567890123456789012345678901").is_err());
    }
}
