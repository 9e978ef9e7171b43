//! Just enough of a 256-bit unsigned integer to multiply two mantissas and round the product.

use std::cmp::Ordering;

use super::POW10;

/// `high * 2^128 + low`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wide {
    high: u128,
    low: u128,
}

impl From<u128> for Wide {
    fn from(low: u128) -> Self {
        Self { high: 0, low }
    }
}

impl PartialOrd for Wide {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Wide {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.high, self.low).cmp(&(other.high, other.low))
    }
}

impl Wide {
    /// `a * b`, by halves of 64 bits.
    pub(super) fn product(a: u128, b: u128) -> Self {
        const HALF: u128 = u64::MAX as u128;
        let (a1, a0, b1, b0) = (a >> 64, a & HALF, b >> 64, b & HALF);
        let bottom = a0 * b0;
        // Each of these is below 2^128: (2^64 - 1)^2 + 2^64 - 1.
        let middle = a1 * b0 + (bottom >> 64);
        let cross = a0 * b1 + (middle & HALF);
        Self {
            high: a1 * b1 + (middle >> 64) + (cross >> 64),
            low: cross << 64 | bottom & HALF,
        }
    }

    /// `self * 2^bits`; what leaves at the top is lost, so callers keep below 256 bits.
    pub(super) fn shift_left(self, bits: u32) -> Self {
        match bits {
            0 => self,
            1..128 => Self {
                high: self.high << bits | self.low >> (128 - bits),
                low: self.low << bits,
            },
            _ => Self {
                high: self.low << (bits - 128).min(127),
                low: 0,
            },
        }
    }

    /// Number of decimal digits; 1 for zero.
    pub(super) fn digits(self) -> u32 {
        let mut rest = self;
        let mut digits = 0;
        while rest.high > 0 {
            rest = rest.divide(19).0;
            digits += 19;
        }
        digits + rest.low.checked_ilog10().map_or(1, |log| log + 1)
    }

    /// `self / 10^digits` rounded half to even. The quotient must fit u128: callers drop all digits
    /// over 28.
    pub(super) fn shift_right_half_even(self, digits: u32) -> u128 {
        let mut quotient = self;
        let mut left = digits;
        // `half` is how the digits dropped so far compare with one half of the next digit's unit.
        let mut half = Ordering::Less;
        let mut exact = true;
        while left > 0 {
            let step = left.min(19);
            let (next, rest) = quotient.divide(step);
            let middle = POW10[step as usize] / 2;
            half = match u128::from(rest).cmp(&middle) {
                Ordering::Equal if !exact => Ordering::Greater,
                order => order,
            };
            exact &= rest == 0;
            quotient = next;
            left -= step;
        }
        let round_up = digits > 0
            && match half {
                Ordering::Less => false,
                Ordering::Equal => quotient.low & 1 == 1,
                Ordering::Greater => true,
            };
        quotient.low + u128::from(round_up)
    }

    /// Quotient and remainder by `10^digits`, for 1 to 19 digits: schoolbook, 64 bits a step.
    fn divide(self, digits: u32) -> (Self, u64) {
        let divisor = POW10[digits as usize];
        let mut rest = 0_u128;
        let mut words = [
            (self.high >> 64) as u64,
            self.high as u64,
            (self.low >> 64) as u64,
            self.low as u64,
        ];
        for word in &mut words {
            let dividend = rest << 64 | u128::from(*word);
            *word = (dividend / divisor) as u64;
            rest = dividend % divisor;
        }
        let join = |a: u64, b: u64| u128::from(a) << 64 | u128::from(b);
        (
            Self {
                high: join(words[0], words[1]),
                low: join(words[2], words[3]),
            },
            rest as u64,
        )
    }
}
