//! Exact decimal arithmetic on [`Decimal`].
//!
//! A decimal is a mantissa of at most [`MAX_DIGITS`] digits and a scale, the number of those digits
//! that stand after the point, 0 to 28. Results keep the scale as written (`12.30 + 1` is `13.30`).
//! Addition, subtraction and remainder are exact or `None`; multiplication and division round half to
//! even at 28 digits. `Decimal`'s own operators are not used: they round silently.
//!
//! Nothing here knows of expressions; a `None` always means "does not fit 28 digits", except where a
//! function says otherwise.

use std::cmp::Ordering;

use rust_decimal::{Decimal, RoundingStrategy};

mod text;
mod wide;

pub(crate) use text::{FirstFault, Number, scan_number};
pub use text::{parse_decimal, write_decimal};
use wide::Wide;

/// Most significant digits a decimal may have, and the largest scale.
pub const MAX_DIGITS: u32 = 28;

/// 10^28: every mantissa is smaller.
const LIMIT: u128 = POW10[MAX_DIGITS as usize];

/// Powers of ten that fit u128.
const POW10: [u128; 39] = {
    let mut table = [1; 39];
    let mut i = 1;
    while i < 39 {
        table[i] = table[i - 1] * 10;
        i += 1;
    }
    table
};

/// A decimal from its parts; `None` where they exceed 28 digits.
#[inline]
fn compose(negative: bool, magnitude: u128, scale: u32) -> Option<Decimal> {
    if magnitude >= LIMIT || scale > MAX_DIGITS {
        return None;
    }
    let (lo, mid, hi) = (
        magnitude as u32,
        (magnitude >> 32) as u32,
        (magnitude >> 64) as u32,
    );
    Some(Decimal::from_parts(lo, mid, hi, negative, scale))
}

/// Mantissa of both, at the larger scale, and that scale. `None` where one then exceeds i128, so its
/// magnitude is more than any decimal's.
#[inline]
fn align(a: Decimal, b: Decimal) -> Option<(i128, i128, u32)> {
    let (sa, sb) = (a.scale(), b.scale());
    let (ma, mb) = (a.mantissa(), b.mantissa());
    match sa.cmp(&sb) {
        Ordering::Equal => Some((ma, mb, sa)),
        Ordering::Less => Some((ma.checked_mul(POW10[(sb - sa) as usize] as i128)?, mb, sb)),
        Ordering::Greater => Some((ma, mb.checked_mul(POW10[(sa - sb) as usize] as i128)?, sa)),
    }
}

/// `a + b`, exact, at the larger of both scales; where zeros at the end are all that exceeds 28
/// digits, as many of them are dropped as must be.
#[inline]
pub(crate) fn add(a: Decimal, b: Decimal) -> Option<Decimal> {
    let Some((ma, mb, mut scale)) = align(a, b) else {
        return add_far(a, b);
    };
    let sum = ma.checked_add(mb)?;
    let mut magnitude = sum.unsigned_abs();
    while magnitude >= LIMIT && scale > 0 && magnitude.is_multiple_of(10) {
        magnitude /= 10;
        scale -= 1;
    }
    compose(sum < 0, magnitude, scale)
}

/// [`add`] where one mantissa is too large to align (2^127). Nothing that fits 28 digits comes of it,
/// unless the other's scale consists of zeros.
#[cold]
fn add_far(a: Decimal, b: Decimal) -> Option<Decimal> {
    let (ma, mb, mut scale) = align(a.normalize(), b.normalize())?;
    let sum = ma.checked_add(mb)?;
    let mut magnitude = sum.unsigned_abs();
    while magnitude < LIMIT / 10 && scale < a.scale().max(b.scale()) {
        magnitude *= 10;
        scale += 1;
    }
    compose(sum < 0, magnitude, scale)
}

/// `-a`; there is no negative zero.
#[inline]
pub(crate) fn neg(a: Decimal) -> Decimal {
    if a.is_zero() { a } else { -a }
}

/// `a - b`, as [`add`].
#[inline]
pub(crate) fn sub(a: Decimal, b: Decimal) -> Option<Decimal> {
    add(a, -b)
}

/// `a * b` at the sum of both scales, or rounded half to even to 28 digits.
pub(crate) fn mul(a: Decimal, b: Decimal) -> Option<Decimal> {
    let negative = a.is_sign_negative() != b.is_sign_negative();
    let (ma, mb) = (a.mantissa().unsigned_abs(), b.mantissa().unsigned_abs());
    let scale = a.scale() + b.scale();
    if let Some(product) = ma.checked_mul(mb)
        && product < LIMIT
        && scale <= MAX_DIGITS
    {
        return compose(negative, product, scale);
    }
    let product = Wide::product(ma, mb);
    let drop = product
        .digits()
        .saturating_sub(MAX_DIGITS)
        .max(scale.saturating_sub(MAX_DIGITS));
    // More digits to drop than stand after the point: the integer part alone exceeds 28 digits.
    let kept = scale.checked_sub(drop)?;
    let magnitude = product.shift_right_half_even(drop);
    if magnitude < LIMIT {
        return compose(negative, magnitude, kept);
    }
    // Rounded up to 10^28 exactly.
    compose(negative, magnitude / 10, kept.checked_sub(1)?)
}

/// `a / b`: the exact quotient with the fewest digits after the point, but no fewer than `a` has more
/// than `b` (`12.30 / 1` is `12.30`); or rounded half to even to 28 digits. `b` must not be zero:
/// `None` as well.
pub(crate) fn div(a: Decimal, b: Decimal) -> Option<Decimal> {
    let negative = a.is_sign_negative() != b.is_sign_negative();
    let (dividend, divisor) = (a.mantissa().unsigned_abs(), b.mantissa().unsigned_abs());
    let mut quotient = dividend.checked_div(divisor)?;
    let mut rest = dividend % divisor;
    let mut scale = i64::from(a.scale()) - i64::from(b.scale());
    if quotient >= LIMIT {
        return None;
    }
    // Long division, a digit a turn, until exact or full: at most 28 digits before the first of
    // the quotient and 28 of it.
    while (rest != 0 || scale < 0) && quotient < LIMIT / 10 && scale < i64::from(MAX_DIGITS) {
        rest *= 10;
        quotient = quotient * 10 + rest / divisor;
        rest %= divisor;
        scale += 1;
    }
    let scale = u32::try_from(scale).ok()?;
    match (rest * 2).cmp(&divisor) {
        Ordering::Greater => quotient += 1,
        Ordering::Equal => quotient += quotient & 1,
        Ordering::Less => {}
    }
    if quotient == LIMIT {
        return compose(negative, quotient / 10, scale.checked_sub(1)?);
    }
    compose(negative, quotient, scale)
}

/// The remainder of `a / b` truncated, with the sign of `a`, at the larger of both scales. `b` must
/// not be zero: `None`.
pub(crate) fn rem(a: Decimal, b: Decimal) -> Option<Decimal> {
    let (dividend, divisor) = (a.mantissa().unsigned_abs(), b.mantissa().unsigned_abs());
    let (sa, sb) = (a.scale(), b.scale());
    if divisor == 0 {
        return None;
    }
    if sa >= sb {
        // A divisor too large to align is larger than `a`.
        let Some(divisor) = divisor.checked_mul(POW10[(sa - sb) as usize]) else {
            return compose(a.is_sign_negative(), dividend, sa);
        };
        return compose(a.is_sign_negative(), dividend % divisor, sa);
    }
    let mut rest = dividend % divisor;
    for _ in sa..sb {
        rest = rest * 10 % divisor;
    }
    compose(a.is_sign_negative(), rest, sb)
}

/// Rounds half to even to at most `digits` after the point.
pub(crate) fn round(a: Decimal, digits: u32) -> Decimal {
    let mut rounded = a.round_dp_with_strategy(digits, RoundingStrategy::MidpointNearestEven);
    if rounded.is_zero() {
        rounded.set_sign_positive(true);
    }
    rounded
}

/// Exact order.
#[inline]
pub(crate) fn cmp(a: Decimal, b: Decimal) -> Ordering {
    match align(a, b) {
        Some((ma, mb, _)) => ma.cmp(&mb),
        // The one of the smaller scale is too large to align: its sign decides, unless it is zero,
        // and zero always aligns.
        None => {
            let larger = if a.scale() < b.scale() { a } else { b };
            let greater = a.scale() < b.scale();
            if larger.is_sign_negative() == greater {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
    }
}

/// Exact order of a decimal and a double; `None` for NaN.
pub(crate) fn cmp_double(a: Decimal, b: f64) -> Option<Ordering> {
    if b.is_nan() {
        return None;
    }
    let (negative_a, negative_b) = (a.is_sign_negative() && !a.is_zero(), b < 0.0);
    match (negative_a, negative_b) {
        (true, false) => return Some(Ordering::Less),
        (false, true) => return Some(Ordering::Greater),
        _ => {}
    }
    let magnitudes = cmp_magnitudes(a.mantissa().unsigned_abs(), a.scale(), b.abs());
    Some(if negative_a {
        magnitudes.reverse()
    } else {
        magnitudes
    })
}

/// Orders `mantissa / 10^scale` and `double`, which is at least 0 and may be infinite, by bringing
/// both to integers of at most 256 bits.
fn cmp_magnitudes(mantissa: u128, scale: u32, double: f64) -> Ordering {
    // 2^96 is more than any decimal.
    if double >= 79_228_162_514_264_337_593_543_950_336.0 {
        return Ordering::Less;
    }
    let bits = double.to_bits();
    let (fraction, exponent) = (bits & ((1 << 52) - 1), (bits >> 52) as i32);
    let (significand, power) = match exponent {
        0 => (fraction, -1074),
        _ => (fraction | 1 << 52, exponent - 1075),
    };
    // mantissa / 10^scale ? significand * 2^power
    if power >= 0 {
        let right = Wide::product(u128::from(significand) << power, POW10[scale as usize]);
        return Wide::from(mantissa).cmp(&right);
    }
    // mantissa * 2^-power ? significand * 10^scale, whose right side is below 2^147.
    let shift = power.unsigned_abs();
    if mantissa != 0 && shift > 150 {
        return Ordering::Greater;
    }
    let left = if mantissa == 0 {
        Wide::from(0)
    } else {
        Wide::from(mantissa).shift_left(shift)
    };
    left.cmp(&Wide::product(
        u128::from(significand),
        POW10[scale as usize],
    ))
}

#[cfg(test)]
mod tests;
