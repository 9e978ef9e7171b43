//! Decimals as text: digits, at most one point, an optional exponent.

use rust_decimal::Decimal;

use super::{LIMIT, MAX_DIGITS, POW10, compose};

/// A number read from the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    /// No point, no exponent, and it fits i64.
    Int(i64),
    /// Everything else, exactly as written.
    Decimal(Decimal),
}

/// Why the bytes do not start with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstFault {
    /// The grammar wants a digit at this offset.
    NoDigit(usize),
    /// A zero at this offset is followed by another digit.
    LeadingZero(usize),
    /// Well formed up to this offset (exclusive), but it needs more than 28 digits.
    TooLong(usize),
}

/// Reads a number by JSON's grammar (`-12.30e5`) from the start of `bytes`: the number and the
/// offset behind it.
#[inline]
pub(crate) fn scan_number(bytes: &[u8]) -> Result<(Number, usize), FirstFault> {
    let negative = bytes.first() == Some(&b'-');
    let start = usize::from(negative);
    let mut magnitude = 0_u64;
    let mut at = start;
    while let Some(digit) = digit_at(bytes, at) {
        // 18 digits always fit; longer ones are rare and take the careful way.
        magnitude = magnitude.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    let whole = at - start;
    if whole == 0 {
        return Err(FirstFault::NoDigit(at));
    }
    if whole > 1 && bytes[start] == b'0' {
        return Err(FirstFault::LeadingZero(start));
    }
    let next = bytes.get(at).copied().unwrap_or(b' ');
    if whole > 18 || matches!(next, b'e' | b'E') {
        return scan_long(bytes, negative, start);
    }
    if next != b'.' {
        let int = magnitude as i64;
        return Ok((Number::Int(if negative { -int } else { int }), at));
    }
    let point = at;
    at += 1;
    while let Some(digit) = digit_at(bytes, at) {
        magnitude = magnitude.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    let scale = at - point - 1;
    if scale == 0 {
        return Err(FirstFault::NoDigit(at));
    }
    if whole + scale > 18 || matches!(bytes.get(at), Some(b'e' | b'E')) {
        return scan_long(bytes, negative, start);
    }
    let (lo, mid) = (magnitude as u32, (magnitude >> 32) as u32);
    Ok((
        Number::Decimal(Decimal::from_parts(lo, mid, 0, negative, scale as u32)),
        at,
    ))
}

/// [`scan_number`] for more than 18 digits or an exponent, from the first digit on, whose integer
/// part is known to be well formed.
#[cold]
fn scan_long(bytes: &[u8], negative: bool, start: usize) -> Result<(Number, usize), FirstFault> {
    let mut mantissa = Mantissa::default();
    let mut at = mantissa.digits(bytes, start);
    let mut scale = 0_i64;
    let mut integer = true;
    if bytes.get(at) == Some(&b'.') {
        integer = false;
        let end = mantissa.digits(bytes, at + 1);
        scale = (end - at - 1) as i64;
        at = end;
        if scale == 0 {
            return Err(FirstFault::NoDigit(at));
        }
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        integer = false;
        at += 1;
        let down = bytes.get(at) == Some(&b'-');
        at += usize::from(matches!(bytes.get(at), Some(b'-' | b'+')));
        let first = at;
        let mut exponent = 0_i64;
        while let Some(digit) = digit_at(bytes, at) {
            // Beyond a million everything but zero is too long anyway.
            exponent = (exponent * 10 + i64::from(digit)).min(1_000_000);
            at += 1;
        }
        if at == first {
            return Err(FirstFault::NoDigit(at));
        }
        scale += if down { exponent } else { -exponent };
    }
    let magnitude = mantissa
        .value
        .filter(|m| *m < LIMIT)
        .ok_or(FirstFault::TooLong(at))?;
    if integer && let Ok(value) = i64::try_from(magnitude) {
        return Ok((Number::Int(if negative { -value } else { value }), at));
    }
    if integer && negative && magnitude == 1 << 63 {
        return Ok((Number::Int(i64::MIN), at));
    }
    let decimal = rescale(magnitude, scale)
        .and_then(|(magnitude, scale)| compose(negative, magnitude, scale))
        .ok_or(FirstFault::TooLong(at))?;
    Ok((Number::Decimal(decimal), at))
}

/// Brings a scale below zero to zero: `12e3` is `12000`.
fn rescale(magnitude: u128, scale: i64) -> Option<(u128, u32)> {
    if scale >= 0 || magnitude == 0 {
        return Some((magnitude, u32::try_from(scale.max(0)).ok()?));
    }
    let zeros = usize::try_from(-scale).ok()?;
    let factor = POW10.get(zeros)?;
    Some((magnitude.checked_mul(*factor)?, 0))
}

/// Digits read so far; `None` once they exceed u128.
struct Mantissa {
    value: Option<u128>,
}

impl Default for Mantissa {
    fn default() -> Self {
        Self { value: Some(0) }
    }
}

impl Mantissa {
    /// Takes in the digits from `at` on and returns the offset behind them.
    fn digits(&mut self, bytes: &[u8], mut at: usize) -> usize {
        while let Some(digit) = digit_at(bytes, at) {
            self.value = self
                .value
                .and_then(|v| v.checked_mul(10)?.checked_add(u128::from(digit)));
            at += 1;
        }
        at
    }
}

#[inline]
fn digit_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes
        .get(at)
        .map(|byte| byte.wrapping_sub(b'0'))
        .filter(|digit| *digit < 10)
}

/// Reads a whole text such as `12.30`, `-5` or `1.5e3` as a decimal, exactly as written. `None` where
/// it is no number by JSON's grammar, or needs more than 28 digits.
pub fn parse_decimal(text: &str) -> Option<Decimal> {
    match scan_number(text.as_bytes()) {
        Ok((number, end)) if end == text.len() => Some(match number {
            Number::Int(value) => Decimal::from(value),
            Number::Decimal(value) => value,
        }),
        _ => None,
    }
}

/// Appends a decimal as text with all digits of its scale: `12.30`.
pub fn write_decimal(decimal: Decimal, out: &mut Vec<u8>) {
    // A mantissa of 29 digits at the most (2^96), and a scale of 28: sign, `0`, point, 28 digits.
    let mut buffer = [0_u8; 40];
    let mut at = buffer.len();
    let scale = decimal.scale().min(MAX_DIGITS) as usize;
    let mut wide = decimal.mantissa().unsigned_abs();
    let mut written = 0;
    // The low 19 digits at a time in 64 bits, whose division is much faster.
    loop {
        let more = wide > u128::from(u64::MAX);
        let mut low = if more {
            (wide % POW10[19]) as u64
        } else {
            wide as u64
        };
        let chunk_end = written + 19;
        while (more && written < chunk_end) || low > 0 {
            if written == scale && scale > 0 {
                at -= 1;
                buffer[at] = b'.';
            }
            at -= 1;
            buffer[at] = b'0' + (low % 10) as u8;
            low /= 10;
            written += 1;
        }
        if !more {
            break;
        }
        wide /= POW10[19];
    }
    while written <= scale {
        if written == scale && scale > 0 {
            at -= 1;
            buffer[at] = b'.';
        }
        at -= 1;
        buffer[at] = b'0';
        written += 1;
    }
    if decimal.is_sign_negative() {
        at -= 1;
        buffer[at] = b'-';
    }
    out.extend_from_slice(&buffer[at..]);
}
