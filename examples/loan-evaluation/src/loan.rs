//! What a customer asks for, and what becomes of it.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::amount::Amount;

/// Topic the requests go to.
pub const REQUESTS_TOPIC: &str = "loan-requests";

/// Topic the verdicts come from.
pub const RESULTS_TOPIC: &str = "loan-evaluation-results";

/// The largest loan one can ask for, in dollars. Far above what any balance covers; a larger number
/// is a typing error.
pub const LOAN_MAX: u64 = 1_000_000_000;

/// Body of `POST /loans`: these two fields and no others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoanApplication {
    /// Who asks.
    pub account: Account,
    /// For how much, in dollars, with at most two decimals.
    pub amount: Amount,
}

impl LoanApplication {
    /// Reads and checks the body of a request.
    ///
    /// # Errors
    /// The reason for the customer: what is wrong with the body.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let application: Self = serde_json::from_slice(body).map_err(|error| {
            format!(
                "the body must be JSON such as {{\"account\":\"001-00101\",\"amount\":100}}: {error}"
            )
        })?;
        let amount = application.amount.0;
        if amount <= Decimal::ZERO {
            Err(format!("the amount must be greater than 0, not {amount}"))
        } else if amount.scale() > 2 {
            Err(format!(
                "the amount must have at most two decimals, not {amount}"
            ))
        } else if amount > Decimal::from(LOAN_MAX) {
            Err(format!(
                "the amount must be at most {LOAN_MAX}, not {amount}"
            ))
        } else {
            Ok(application)
        }
    }
}

/// A record of topic `loan-requests`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoanRequest {
    /// Names the loan in every later record.
    pub id: String,
    /// Who asks.
    pub account: Account,
    /// For how much.
    pub amount: Amount,
}

impl LoanRequest {
    /// Gives an application its id: 128 random bits in hexadecimal.
    pub fn new(application: LoanApplication) -> Self {
        let id = format!("{:032x}", rand::random::<u128>());
        Self {
            id,
            account: application.account,
            amount: application.amount,
        }
    }
}

/// What the evaluation decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoanStatus {
    /// The balance covers the amount.
    Approved,
    /// It does not, or the account is unknown.
    Rejected,
}

/// A record of topic `loan-evaluation-results`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoanResult {
    /// Id of the request.
    pub id: String,
    /// Who asked.
    pub account: Account,
    /// For how much.
    pub amount: Amount,
    /// Balance at the time of the verdict; `None` for an unknown account.
    pub balance: Option<Amount>,
    /// The verdict.
    pub status: LoanStatus,
    /// Why.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn reason(body: &str) -> String {
        LoanApplication::parse(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn the_amount_of_an_application_is_kept_as_written() {
        for amount in ["100", "99.9", "99.90", "0.01", "1000000000"] {
            let body = format!(r#"{{"account":"001-00101","amount":{amount}}}"#);
            let request = LoanRequest::new(LoanApplication::parse(body.as_bytes()).unwrap());
            let json = serde_json::to_string(&request).unwrap();
            assert!(json.ends_with(&format!(r#""amount":{amount}}}"#)), "{json}");
        }
    }

    #[test]
    fn each_mistake_has_its_reason() {
        for (body, expected) in [
            ("", "the body must be JSON such as"),
            ("{", "the body must be JSON such as"),
            ("[1]", "expected"),
            (r#"{"account":"001-00101"}"#, "missing field `amount`"),
            (r#"{"amount":1}"#, "missing field `account`"),
            (
                r#"{"account":"001-00101","amount":1,"x":2}"#,
                "unknown field `x`",
            ),
            (
                r#"{"account":"001-00101","amount":1,"amount":2}"#,
                "duplicate field `amount`",
            ),
            (
                r#"{"account":"001-00101","amount":1} x"#,
                "trailing characters",
            ),
            (
                r#"{"account":"1-1","amount":1}"#,
                "three digits, a dash and five digits",
            ),
            (r#"{"account":7,"amount":1}"#, "expected a string"),
            (r#"{"account":"001-00101","amount":"100"}"#, "plain number"),
            (r#"{"account":"001-00101","amount":null}"#, "plain number"),
            (r#"{"account":"001-00101","amount":1e2}"#, "plain number"),
            (r#"{"account":"001-00101","amount":0}"#, "greater than 0"),
            (r#"{"account":"001-00101","amount":-1}"#, "greater than 0"),
            (
                r#"{"account":"001-00101","amount":-0.00}"#,
                "greater than 0",
            ),
            (
                r#"{"account":"001-00101","amount":0.001}"#,
                "at most two decimals",
            ),
            (
                r#"{"account":"001-00101","amount":1000000000.01}"#,
                "at most 1000000000",
            ),
            (
                r#"{"account":"001-00101","amount":99999999999999999999999999999999}"#,
                "plain number",
            ),
        ] {
            let reason = reason(body);
            assert!(reason.contains(expected), "{body}: {reason}");
        }
    }

    #[test]
    fn ids_differ() {
        let application = LoanApplication {
            account: Account::nth(0),
            amount: Amount::from_cents(100),
        };
        let [a, b] = [(); 2].map(|()| LoanRequest::new(application.clone()).id);
        assert_eq!(a.len(), 32);
        assert_ne!(a, b);
    }

    #[test]
    fn a_result_reads_with_and_without_a_balance() {
        let json = r#"{"id":"a","account":"001-00101","amount":100,"balance":512.05,
                       "status":"approved","reason":"covered"}"#;
        let result: LoanResult = serde_json::from_str(json).unwrap();
        assert_eq!(result.balance.unwrap().to_string(), "512.05");
        let json = r#"{"id":"a","account":"999-99999","amount":100,"balance":null,
                       "status":"rejected","reason":"unknown account"}"#;
        let result: LoanResult = serde_json::from_str(json).unwrap();
        assert_eq!(
            (result.balance, result.status),
            (None, LoanStatus::Rejected)
        );
    }
}
