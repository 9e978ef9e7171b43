//! Account numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An account number: three digits, a dash, five digits, as in `001-00101`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Account(String);

impl Account {
    /// Account `101 + index` of branch 001: `001-00101` is the first.
    pub fn nth(index: u16) -> Self {
        Self(format!("001-{:05}", 101 + u32::from(index)))
    }

    /// The number as text: the key of every topic of the example.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Account {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = |part: &str, count| {
            part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        match text.split_once('-') {
            Some((branch, number)) if digits(branch, 3) && digits(number, 5) => Ok(Self(text)),
            _ => Err(
                "an account must be three digits, a dash and five digits, such as \
                      \"001-00101\""
                    .to_owned(),
            ),
        }
    }
}

impl From<Account> for String {
    fn from(account: Account) -> Self {
        account.0
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_pattern_is_an_account() {
        assert!(Account::try_from("001-00101".to_owned()).is_ok());
        for text in [
            "",
            "001-0010",
            "001-001011",
            "00100101",
            "1-00101",
            "001-0010a",
            "001-00101 ",
        ] {
            assert!(Account::try_from(text.to_owned()).is_err(), "{text}");
        }
        assert!(
            Account::try_from("٠٠١-٠٠١٠١".to_owned()).is_err(),
            "other scripts' digits"
        );
    }

    #[test]
    fn the_first_account_is_the_one_of_the_documentation() {
        assert_eq!(Account::nth(0).as_str(), "001-00101");
        assert!(Account::try_from(Account::nth(u16::MAX).to_string()).is_ok());
    }
}
