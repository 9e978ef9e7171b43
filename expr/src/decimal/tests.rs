#![allow(clippy::unwrap_used, clippy::expect_used)]
//! Arithmetic against arbitrary precision integers, with decimals near every limit.

use std::cmp::Ordering;

use num_bigint::BigInt;
use proptest::prelude::*;

use super::*;

fn d(text: &str) -> Decimal {
    parse_decimal(text).unwrap_or_else(|| panic!("{text} is no decimal"))
}

fn text(decimal: Decimal) -> String {
    let mut out = Vec::new();
    write_decimal(decimal, &mut out);
    String::from_utf8(out).unwrap()
}

fn shown(result: Option<Decimal>) -> Option<String> {
    result.map(text)
}

fn limit() -> BigInt {
    BigInt::from(10).pow(28)
}

/// Mantissa and scale of any size.
type Exact = (BigInt, u32);

fn exact(decimal: Decimal) -> Exact {
    (BigInt::from(decimal.mantissa()), decimal.scale())
}

fn aligned(a: &Exact, b: &Exact) -> (BigInt, BigInt, u32) {
    let scale = a.1.max(b.1);
    let up = |x: &Exact| &x.0 * BigInt::from(10).pow(scale - x.1);
    (up(a), up(b), scale)
}

/// A quotient of integers rounded half to even.
fn divide_half_even(numerator: &BigInt, denominator: &BigInt) -> BigInt {
    let negative = (numerator.sign() == num_bigint::Sign::Minus)
        != (denominator.sign() == num_bigint::Sign::Minus);
    let (n, m) = (numerator.magnitude(), denominator.magnitude());
    let (mut quotient, rest) = (n / m, n % m);
    match (&rest * 2_u8).cmp(m) {
        Ordering::Greater => quotient += 1_u8,
        Ordering::Equal if quotient.bit(0) => quotient += 1_u8,
        _ => {}
    }
    let quotient = BigInt::from(quotient);
    if negative { -quotient } else { quotient }
}

/// The number `numerator / denominator` rounded half to even so that it has at most 28 digits, at most
/// 28 of them after the point, at the largest scale that allows it.
fn rounded(numerator: &BigInt, denominator: &BigInt) -> Option<Exact> {
    (0..=28).rev().find_map(|scale| {
        let scaled = numerator * BigInt::from(10).pow(scale);
        let mantissa = divide_half_even(&scaled, denominator);
        (mantissa.magnitude() < limit().magnitude()).then_some((mantissa, scale))
    })
}

fn same_value(a: &Exact, b: &Exact) -> bool {
    let (a, b, _) = aligned(a, b);
    a == b
}

/// Decimals of all sizes, with many zeros, nines and halves among them.
fn decimals() -> impl Strategy<Value = Decimal> {
    let digits = prop_oneof![
        "[0-9]{1,28}",
        "[0-9]{1,6}",
        "[1-9]0{0,27}",
        "9{1,28}",
        "[0-9]{0,13}50{0,13}",
        "[1-9]{1,14}0{0,14}",
    ];
    (digits, 0_u32..=28, any::<bool>()).prop_map(|(digits, scale, negative)| {
        let magnitude: u128 = digits.parse().unwrap();
        compose(negative, magnitude, scale).unwrap()
    })
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 4_000,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn sums_are_exact_or_refused(a in decimals(), b in decimals()) {
        let (x, y, scale) = aligned(&exact(a), &exact(b));
        let sum = (x + y, scale);
        match add(a, b) {
            Some(found) => prop_assert!(same_value(&exact(found), &sum), "{a} + {b} gave {found}"),
            None => {
                let needed = strip_zeros(sum);
                prop_assert!(needed.0.magnitude() >= limit().magnitude(), "{a} + {b} was refused");
            }
        }
        prop_assert_eq!(sub(a, -b), add(a, b));
    }

    #[test]
    fn sums_keep_the_larger_scale_where_they_can(a in decimals(), b in decimals()) {
        let (x, y, scale) = aligned(&exact(a), &exact(b));
        if (x + y).magnitude() < limit().magnitude() {
            prop_assert_eq!(add(a, b).unwrap().scale(), scale);
        }
    }

    #[test]
    fn products_round_half_to_even_at_28_digits(a in decimals(), b in decimals()) {
        let (x, y) = (exact(a), exact(b));
        let one = BigInt::from(10).pow(x.1 + y.1);
        let expected = rounded(&(x.0 * y.0), &one);
        match (mul(a, b), expected) {
            (Some(found), Some(wanted)) => {
                prop_assert!(same_value(&exact(found), &wanted), "{a} * {b} gave {found}");
            }
            (found, wanted) => prop_assert_eq!(found.is_some(), wanted.is_some(), "{} * {}", a, b),
        }
    }

    #[test]
    fn quotients_round_half_to_even_at_28_digits(a in decimals(), b in decimals()) {
        prop_assume!(!b.is_zero());
        let (x, y, _) = aligned(&exact(a), &exact(b));
        match (div(a, b), rounded(&x, &y)) {
            (Some(found), Some(wanted)) => {
                prop_assert!(same_value(&exact(found), &wanted), "{a} / {b} gave {found}");
            }
            (found, wanted) => prop_assert_eq!(found.is_some(), wanted.is_some(), "{} / {}", a, b),
        }
    }

    #[test]
    fn remainders_are_exact(a in decimals(), b in decimals()) {
        prop_assume!(!b.is_zero());
        let (x, y, scale) = aligned(&exact(a), &exact(b));
        let found = rem(a, b).unwrap();
        prop_assert!(same_value(&exact(found), &(x % y, scale)), "{a} % {b} gave {found}");
    }

    #[test]
    fn order_is_exact(a in decimals(), b in decimals()) {
        let (x, y, _) = aligned(&exact(a), &exact(b));
        prop_assert_eq!(cmp(a, b), x.cmp(&y));
        prop_assert_eq!(cmp(a, a), Ordering::Equal);
    }

    #[test]
    fn order_with_doubles_is_exact(
        a in decimals(),
        other in prop_oneof![any::<f64>(), -1e6..1e6_f64, decimals().prop_map(near)],
    ) {
        prop_assume!(other.is_finite());
        // A double is an integer times a power of two.
        let bits = other.abs().to_bits();
        let (fraction, exponent) = (bits & ((1 << 52) - 1), (bits >> 52) as i32);
        let significand = if exponent == 0 { fraction } else { fraction | 1 << 52 };
        let power = exponent.max(1) - 1075;
        let mut double = BigInt::from(significand) * if other < 0.0 { -1 } else { 1 };
        let mut decimal = BigInt::from(a.mantissa());
        if power >= 0 {
            double <<= power;
        } else {
            decimal <<= -power;
        }
        double *= BigInt::from(10).pow(a.scale());
        prop_assert_eq!(cmp_double(a, other), Some(decimal.cmp(&double)), "{} ? {:e}", a, other);
    }

    #[test]
    fn rounding_is_half_to_even(a in decimals(), digits in 0_u32..=28) {
        let (mantissa, scale) = exact(a);
        let found = exact(round(a, digits));
        if digits >= scale {
            prop_assert_eq!(found, (mantissa, scale));
        } else {
            let wanted = divide_half_even(&mantissa, &BigInt::from(10).pow(scale - digits));
            prop_assert_eq!(found, (wanted, digits));
        }
    }

    #[test]
    fn text_reads_back_with_the_same_scale(a in decimals()) {
        let written = text(a);
        prop_assert_eq!(&written, &a.to_string());
        let read = parse_decimal(&written).unwrap();
        prop_assert_eq!((read.mantissa(), read.scale()), (a.mantissa(), a.scale()));
    }

    #[test]
    fn exponents_move_the_point(mantissa in 0_u64..10_000, scale in 0_u32..8, exponent in -12_i32..12) {
        let plain = text(compose(false, u128::from(mantissa), scale).unwrap());
        let found = parse_decimal(&format!("{plain}e{exponent}")).unwrap();
        let shift = i64::from(scale) - i64::from(exponent);
        let ten = |n: i64| BigInt::from(10).pow(u32::try_from(n.max(0)).unwrap());
        let wanted = (BigInt::from(mantissa) * ten(-shift), u32::try_from(shift.max(0)).unwrap());
        prop_assert!(same_value(&exact(found), &wanted));
        prop_assert_eq!(found.scale(), wanted.1);
    }

    #[test]
    fn any_text_is_read_or_refused(input in "[-+0-9.eE ]{0,40}") {
        let _ = parse_decimal(&input);
    }
}

/// The double nearest to a decimal: the hardest to tell apart from it.
fn near(decimal: Decimal) -> f64 {
    decimal.to_string().parse().unwrap()
}

fn strip_zeros((mut mantissa, mut scale): Exact) -> Exact {
    while scale > 0 && (&mantissa % 10_u8) == BigInt::ZERO {
        mantissa /= 10;
        scale -= 1;
    }
    (mantissa, scale)
}

#[test]
fn money_adds_up() {
    assert_eq!(shown(add(d("0.1"), d("0.2"))).as_deref(), Some("0.3"));
    assert_eq!(shown(add(d("12.30"), d("1"))).as_deref(), Some("13.30"));
    assert_eq!(shown(sub(d("1.00"), d("0.999"))).as_deref(), Some("0.001"));
}

#[test]
fn a_sum_that_needs_29_digits_is_refused_rather_than_rounded() {
    let most = d("9999999999999999999999999999");
    assert_eq!(add(most, d("1")), None);
    assert_eq!(add(most, d("0.1")), None);
    assert_eq!(shown(add(most, d("0.0"))), Some(text(most)));
    assert_eq!(
        shown(add(most, d("-0.0000000000000000000000000000"))),
        Some(text(most))
    );
}

#[test]
fn quotients_have_as_many_digits_as_they_need() {
    assert_eq!(shown(div(d("1"), d("4"))).as_deref(), Some("0.25"));
    assert_eq!(shown(div(d("12.30"), d("1"))).as_deref(), Some("12.30"));
    assert_eq!(shown(div(d("100"), d("0.5"))).as_deref(), Some("200"));
    assert_eq!(
        shown(div(d("1"), d("3"))).as_deref(),
        Some("0.3333333333333333333333333333")
    );
    assert_eq!(
        shown(div(d("2"), d("3"))).as_deref(),
        Some("0.6666666666666666666666666667")
    );
    assert_eq!(div(d("1"), d("0")), None);
    assert_eq!(div(d("1e27"), d("0.01")), None);
}

#[test]
fn numbers_of_more_than_28_digits_are_refused() {
    assert!(parse_decimal("9999999999999999999999999999").is_some());
    assert_eq!(parse_decimal("10000000000000000000000000000"), None);
    assert_eq!(parse_decimal("0.00000000000000000000000000001"), None);
    assert_eq!(parse_decimal("1e28"), None);
    assert_eq!(parse_decimal("1e-29"), None);
    assert_eq!(parse_decimal("1e999999999999999999999"), None);
    assert_eq!(
        parse_decimal("0e999999999999999999999")
            .map(text)
            .as_deref(),
        Some("0")
    );
}

#[test]
fn what_is_no_number_is_refused() {
    for text in [
        "", "-", "+1", "01", ".5", "5.", "1e", "1e+", "1 ", " 1", "0x1", "1_000", "NaN",
    ] {
        assert_eq!(parse_decimal(text), None, "{text}");
    }
}

#[test]
fn nan_and_infinities_have_their_place_in_the_order() {
    assert_eq!(cmp_double(d("1"), f64::NAN), None);
    assert_eq!(cmp_double(d("1"), f64::INFINITY), Some(Ordering::Less));
    assert_eq!(
        cmp_double(d("1"), f64::NEG_INFINITY),
        Some(Ordering::Greater)
    );
    assert_eq!(cmp_double(d("0.1"), 0.1), Some(Ordering::Less));
    assert_eq!(cmp_double(d("0.5"), 0.5), Some(Ordering::Equal));
    assert_eq!(cmp_double(d("0.0"), -0.0), Some(Ordering::Equal));
}
