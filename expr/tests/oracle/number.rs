//! Ints and decimals as a value type of the interpreter's, written for being right: on arbitrary
//! precision integers, without a thought for speed, and without a line shared with what it judges.

use std::any::Any;
use std::cmp::Ordering;

use cel::common::functions::Function;
use cel::common::traits::{Adder, Comparer, Divider, Modder, Multiplier, Negator, Subtractor};
use cel::common::types::{CelInt, CelString, INT_TYPE, STRING_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{Env, ExecutionError};
use num_bigint::BigInt;

const fn number_type() -> Type {
    Type::new_unspecified_type("number")
}

static NUMBER: Type = number_type();

/// A 64-bit int, or mantissa and scale.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Decimal(BigInt, u32),
}

use Number::{Decimal, Int};

type Outcome<T> = Result<T, ExecutionError>;

fn failure<T>(message: &str) -> Outcome<T> {
    Err(ExecutionError::function_error("number", message))
}

fn ten(power: u32) -> BigInt {
    BigInt::from(10).pow(power)
}

fn digits(value: &BigInt) -> u32 {
    u32::try_from(value.magnitude().to_string().len()).unwrap()
}

/// At most 28 digits, at most 28 after the point.
fn checked(mantissa: BigInt, scale: u32) -> Outcome<Number> {
    if digits(&mantissa) > 28 || scale > 28 {
        return failure("overflow");
    }
    Ok(Decimal(mantissa, scale))
}

/// `numerator / 10^drop`, half to even.
fn drop_digits(numerator: &BigInt, drop: u32) -> BigInt {
    divide(numerator, &ten(drop))
}

fn divide(numerator: &BigInt, denominator: &BigInt) -> BigInt {
    let quotient = numerator / denominator;
    let twice: BigInt = (numerator % denominator) * 2;
    let up = match twice.magnitude().cmp(denominator.magnitude()) {
        Ordering::Greater => true,
        Ordering::Equal => quotient.bit(0),
        Ordering::Less => false,
    };
    let negative = (numerator < &BigInt::ZERO) != (denominator < &BigInt::ZERO);
    match (up, negative) {
        (false, _) => quotient,
        (true, false) => quotient + 1,
        (true, true) => quotient - 1,
    }
}

impl Number {
    /// `-12.30` or `12e3`.
    pub(crate) fn parse_decimal(text: &str) -> Option<Self> {
        let (plain, exponent) = match text.split_once('e') {
            Some((plain, exponent)) => (plain, exponent.parse::<u32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
        let mantissa: BigInt = format!("{whole}{fraction}").parse().ok()?;
        let scale = u32::try_from(fraction.len()).ok()?;
        let moved = scale.saturating_sub(exponent);
        Some(Decimal(
            mantissa * ten(exponent.saturating_sub(scale)),
            moved,
        ))
    }

    fn parts(&self) -> (BigInt, u32) {
        match self {
            Int(value) => (BigInt::from(*value), 0),
            Decimal(mantissa, scale) => (mantissa.clone(), *scale),
        }
    }

    /// Both mantissas at the larger scale.
    fn aligned(&self, other: &Self) -> (BigInt, BigInt, u32) {
        let ((a, sa), (b, sb)) = (self.parts(), other.parts());
        let scale = sa.max(sb);
        (a * ten(scale - sa), b * ten(scale - sb), scale)
    }

    fn sum(&self, other: &Self) -> Outcome<Self> {
        if let (Int(a), Int(b)) = (self, other) {
            return a
                .checked_add(*b)
                .map_or_else(|| failure("overflow"), |sum| Ok(Int(sum)));
        }
        let (a, b, mut scale) = self.aligned(other);
        let mut sum = a + b;
        while digits(&sum) > 28 && scale > 0 && &sum % 10 == BigInt::ZERO {
            sum /= 10;
            scale -= 1;
        }
        checked(sum, scale)
    }

    fn negated(&self) -> Outcome<Self> {
        match self {
            Int(value) => value
                .checked_neg()
                .map_or_else(|| failure("overflow"), |v| Ok(Int(v))),
            Decimal(mantissa, scale) => Ok(Decimal(-mantissa, *scale)),
        }
    }

    fn difference(&self, other: &Self) -> Outcome<Self> {
        match (self, other) {
            (Int(a), Int(b)) => a
                .checked_sub(*b)
                .map_or_else(|| failure("overflow"), |v| Ok(Int(v))),
            (a, b) => {
                let (mantissa, scale) = b.parts();
                a.sum(&Decimal(-mantissa, scale))
            }
        }
    }

    fn product(&self, other: &Self) -> Outcome<Self> {
        if let (Int(a), Int(b)) = (self, other) {
            return a
                .checked_mul(*b)
                .map_or_else(|| failure("overflow"), |v| Ok(Int(v)));
        }
        let ((a, sa), (b, sb)) = (self.parts(), other.parts());
        let (product, scale) = (a * b, sa + sb);
        let drop = digits(&product)
            .saturating_sub(28)
            .max(scale.saturating_sub(28));
        if drop > scale {
            return failure("overflow");
        }
        let rounded = drop_digits(&product, drop);
        if digits(&rounded) > 28 && scale > drop {
            return checked(rounded / 10, scale - drop - 1);
        }
        checked(rounded, scale - drop)
    }

    /// The least scale, from the dividend's over the divisor's on, at which the quotient is exact; or
    /// the largest at which it has 28 digits.
    fn quotient(&self, other: &Self) -> Outcome<Self> {
        let ((_, sa), (b, sb)) = (self.parts(), other.parts());
        if b == BigInt::ZERO {
            return failure("division by zero");
        }
        if let (Int(a), Int(b)) = (self, other) {
            return a
                .checked_div(*b)
                .map_or_else(|| failure("overflow"), |v| Ok(Int(v)));
        }
        let (x, y, _) = self.aligned(other);
        let least = sa.saturating_sub(sb);
        let exact = (least..=28).find(|scale| (&x * ten(*scale)) % &y == BigInt::ZERO);
        let fits = |scale: &u32| digits(&divide(&(&x * ten(*scale)), &y)) <= 28;
        let scale = match exact {
            Some(scale) if fits(&scale) => Some(scale),
            _ => (0..=28).rev().find(fits),
        };
        match scale {
            Some(scale) => checked(divide(&(x * ten(scale)), &y), scale),
            None => failure("overflow"),
        }
    }

    fn remainder(&self, other: &Self) -> Outcome<Self> {
        let (x, y, scale) = self.aligned(other);
        if y == BigInt::ZERO {
            return failure("division by zero");
        }
        match (self, other) {
            (Int(a), Int(b)) => a
                .checked_rem(*b)
                .map_or_else(|| failure("overflow"), |v| Ok(Int(v))),
            _ => checked(x % y, scale),
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        let (a, b, _) = self.aligned(other);
        a.cmp(&b)
    }

    fn rounded(&self, to: &Self) -> Outcome<Self> {
        match (self, to) {
            (Decimal(mantissa, scale), Int(to)) if i64::from(*scale) > *to => {
                let to = u32::try_from(*to).unwrap();
                Ok(Decimal(drop_digits(mantissa, *scale - to), to))
            }
            _ => Ok(self.clone()),
        }
    }

    fn absolute(&self) -> Outcome<Self> {
        if self.order(&Int(0)) == Ordering::Less {
            self.negated()
        } else {
            Ok(self.clone())
        }
    }

    fn truncated(&self) -> Outcome<Self> {
        let (mantissa, scale) = self.parts();
        match i64::try_from(mantissa / ten(scale)) {
            Ok(value) => Ok(Int(value)),
            Err(_) => failure("overflow"),
        }
    }

    fn text(&self) -> String {
        let (mantissa, scale) = self.parts();
        let scale = scale as usize;
        let digits = format!("{:0>1$}", mantissa.magnitude().to_string(), scale + 1);
        let sign = if mantissa < BigInt::ZERO { "-" } else { "" };
        match scale {
            0 => format!("{sign}{digits}"),
            _ => {
                let (whole, fraction) = digits.split_at(digits.len() - scale);
                format!("{sign}{whole}.{fraction}")
            }
        }
    }
}

/// The number a value is; no other takes part in arithmetic.
fn number<'a>(value: &'a (dyn Val + '_)) -> Outcome<&'a Number> {
    match value.as_any().and_then(|any| any.downcast_ref::<Number>()) {
        Some(number) => Ok(number),
        None => failure("no number"),
    }
}

fn owned<'b, 'v>(number: Outcome<Number>) -> Outcome<CowVal<'b, 'v>> {
    number.map(CowVal::owned)
}

macro_rules! operator {
    ($trait:ident, $method:ident, $by:ident) => {
        impl $trait for Number {
            fn $method<'b, 'v>(&'b self, rhs: &(dyn Val + 'v)) -> Outcome<CowVal<'b, 'v>>
            where
                Self: 'v,
            {
                owned(self.$by(number(rhs)?))
            }
        }
    };
}

operator!(Adder, add, sum);
operator!(Subtractor, sub, difference);
operator!(Multiplier, mul, product);
operator!(Divider, div, quotient);
operator!(Modder, modulo, remainder);

impl Negator for Number {
    fn negate<'v>(&self) -> Outcome<Box<dyn Val + 'v>>
    where
        Self: 'v,
    {
        Ok(Box::new(self.negated()?))
    }
}

impl Comparer for Number {
    fn compare(&self, rhs: &dyn Val) -> Outcome<Ordering> {
        Ok(self.order(number(rhs)?))
    }
}

macro_rules! capability {
    ($accessor:ident, $trait:ident) => {
        fn $accessor<'b, 'v>(&'b self) -> Option<&'b (dyn $trait + 'v)>
        where
            Self: 'v,
        {
            Some(self)
        }
    };
}

impl Val for Number {
    fn get_type(&self) -> &Type {
        &NUMBER
    }

    fn cel_type() -> &'static Type {
        &NUMBER
    }

    capability!(as_adder, Adder);
    capability!(as_subtractor, Subtractor);
    capability!(as_multiplier, Multiplier);
    capability!(as_divider, Divider);
    capability!(as_modder, Modder);
    capability!(as_negator, Negator);

    fn as_comparer(&self) -> Option<&dyn Comparer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        number(other).is_ok_and(|other| self.order(other) == Ordering::Equal)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Number {}

/// The functions on numbers, for the interpreter.
pub(crate) fn add_functions(env: &mut Env) {
    let mut add = |name: &str, id: &str, takes: Vec<Type>, function: Function| {
        env.add_overload(name, id, takes, function)
            .expect("a new overload");
    };
    add("number", "number_int", vec![INT_TYPE], |args| {
        owned(Ok(Int(*args[0]
            .downcast_ref::<CelInt>()
            .expect("an int")
            .inner())))
    });
    add("abs", "abs_number", vec![number_type()], |args| {
        owned(number(&*args[0])?.absolute())
    });
    add("int", "int_number", vec![number_type()], |args| {
        owned(number(&*args[0])?.truncated())
    });
    add("decimal", "decimal_number", vec![number_type()], |args| {
        let (mantissa, scale) = number(&*args[0])?.parts();
        owned(Ok(Decimal(mantissa, scale)))
    });
    add("decimal", "decimal_string", vec![STRING_TYPE], |args| {
        let text = args[0].downcast_ref::<CelString<'_>>().expect("a string");
        match Number::parse_decimal(text.inner()) {
            Some(decimal) => owned(Ok(decimal)),
            None => failure("no decimal"),
        }
    });
    add("string", "string_number", vec![number_type()], |args| {
        Ok(CowVal::owned(CelString::from(number(&*args[0])?.text())))
    });
    add(
        "round",
        "round_number",
        vec![number_type(), number_type()],
        |args| owned(number(&*args[0])?.rounded(number(&*args[1])?)),
    );
    add(
        "min",
        "min_numbers",
        vec![number_type(), number_type()],
        |args| extreme(&args, Ordering::Less),
    );
    add(
        "max",
        "max_numbers",
        vec![number_type(), number_type()],
        |args| extreme(&args, Ordering::Greater),
    );
}

/// The first of equals.
fn extreme<'b, 'v>(args: &[CowVal<'b, 'v>], wanted: Ordering) -> Outcome<CowVal<'b, 'v>> {
    let (a, b) = (number(&*args[0])?, number(&*args[1])?);
    owned(Ok(if b.order(a) == wanted {
        b.clone()
    } else {
        a.clone()
    }))
}
