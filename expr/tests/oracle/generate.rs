//! Random expressions that pass the type checker, from a tape of bytes: each choice takes a byte, and
//! an empty tape chooses what is simplest. So proptest shrinks expressions by shrinking the tape.
//!
//! Ints and decimals are kept apart where the language would widen an int to a decimal for the sake
//! of a common type (`? :`, lists, `min`), which the interpreter does not do.

use std::fmt::Write;

/// How numbers are typed statically.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Int,
    Decimal,
    Dynamic,
}

pub(crate) struct Generator<'t> {
    tape: std::slice::Iter<'t, u8>,
    depth: usize,
    /// Comprehension variables so far, to name the next.
    variables: usize,
    /// Names of those in scope that hold lines (`price`, `count`).
    lines: Vec<String>,
    /// Names of those in scope that hold strings.
    tags: Vec<String>,
}

impl<'t> Generator<'t> {
    pub(crate) fn new(tape: &'t [u8]) -> Self {
        Self {
            tape: tape.iter(),
            depth: 0,
            variables: 0,
            lines: vec![],
            tags: vec![],
        }
    }

    /// Any value, beside a decimal.
    pub(crate) fn root(&mut self) -> String {
        let value = self.any();
        let decimal = self.number(Class::Decimal);
        format!("{{\"value\": {value}, \"decimal\": {decimal}, \"literal\": 0.10}}")
    }

    fn choose(&mut self, of: u8) -> u8 {
        self.tape.next().map_or(0, |byte| byte % of)
    }

    /// A choice between leaves (below `leaves`) and all, by depth.
    fn level(&mut self, leaves: u8, all: u8) -> u8 {
        if self.depth > 5 {
            self.choose(leaves)
        } else {
            self.choose(all)
        }
    }

    fn nested<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> T {
        self.depth += 1;
        let made = make(self);
        self.depth -= 1;
        made
    }

    fn any(&mut self) -> String {
        match self.choose(8) {
            0 => self.number(Class::Decimal),
            1 => self.number(Class::Int),
            2 => self.number(Class::Dynamic),
            3 => self.string(),
            4 => self.list(),
            5 => self.nested(|g| {
                format!(
                    "{{\"a\": {}, \"b\": {}, \"c\": 1.50}}",
                    g.any_number(),
                    g.boolean()
                )
            }),
            _ => self.boolean(),
        }
    }

    fn any_number(&mut self) -> String {
        let class = self.class();
        self.number(class)
    }

    fn class(&mut self) -> Class {
        match self.choose(4) {
            0 | 1 => Class::Decimal,
            2 => Class::Int,
            _ => Class::Dynamic,
        }
    }

    fn number(&mut self, class: Class) -> String {
        self.nested(|g| match g.level(3, 12) {
            0..=2 => g.number_leaf(class),
            3..=6 => g.arithmetic(class),
            7 => format!("(-{})", g.number(class)),
            8 => {
                let condition = g.boolean();
                format!("({condition} ? {} : {})", g.number(class), g.number(class))
            }
            9 => {
                let name = ["min", "max"][usize::from(g.choose(2))];
                format!("{name}({}, {})", g.number(class), g.number(class))
            }
            10 => format!("abs({})", g.number(class)),
            _ => g.number_call(class),
        })
    }

    fn number_leaf(&mut self, class: Class) -> String {
        let literals: &[&str] = match class {
            Class::Int => &["1", "2", "n", "0", "7", "100", "9223372036854775807", "-3"],
            Class::Decimal => &[
                "0.1",
                "0.2",
                "d",
                "12.30",
                "0.0",
                "-0.5",
                "3.000",
                "99.995",
                "1e3",
                "9999999999999999999999999999e0",
                "0.0000000000000000000000000001",
                "33.3333333333",
            ],
            Class::Dynamic => &[
                "left.amount",
                "right.balance",
                "left.rate",
                "dyn(0.25)",
                "left.nope",
                "left.account",
                "left.none",
                "left.lines[0].price",
                "left[\"amount\"]",
            ],
        };
        if class == Class::Dynamic && !self.lines.is_empty() && self.choose(2) == 1 {
            let line = self.lines[self.lines.len() - 1].clone();
            return format!("{line}.{}", ["price", "count"][usize::from(self.choose(2))]);
        }
        // The dynamic ones are in an order that puts those which fail far from the start.
        let i = usize::from(self.choose(32)) % (literals.len() * 2);
        literals.get(i).unwrap_or(&literals[0]).to_string()
    }

    fn arithmetic(&mut self, class: Class) -> String {
        let operator = ["+", "-", "*", "/", "%"][usize::from(self.choose(5))];
        let (left, right) = match class {
            Class::Int => (Class::Int, Class::Int),
            // One decimal makes the result one; the other side may be any number.
            Class::Decimal if self.choose(2) == 0 => (Class::Decimal, self.class()),
            Class::Decimal => (self.class(), Class::Decimal),
            Class::Dynamic => (Class::Dynamic, self.not_decimal()),
        };
        let (left, right) = (self.number(left), self.number(right));
        format!("({left} {operator} {right})")
    }

    fn not_decimal(&mut self) -> Class {
        if self.choose(2) == 0 {
            Class::Int
        } else {
            Class::Dynamic
        }
    }

    fn number_call(&mut self, class: Class) -> String {
        match class {
            Class::Int => match self.choose(3) {
                0 => format!("size({})", self.string()),
                1 => format!("{}.size()", self.list()),
                _ => format!("int({})", self.any_number()),
            },
            Class::Decimal => match self.choose(3) {
                0 => format!("round({}, {})", self.number(Class::Decimal), self.choose(5)),
                1 => "decimal(\"12.30\")".to_owned(),
                _ => format!("decimal({})", self.any_number()),
            },
            Class::Dynamic => format!("dyn({})", self.any_number()),
        }
    }

    fn string(&mut self) -> String {
        self.nested(|g| match g.level(4, 8) {
            0 => "\"ab\"".to_owned(),
            1 => "s".to_owned(),
            2 => g.tags.last().cloned().unwrap_or_else(|| "\"b\"".to_owned()),
            3 => "left.account".to_owned(),
            4 => format!("({} + {})", g.string(), g.string()),
            5 => {
                let condition = g.boolean();
                format!("({condition} ? {} : {})", g.string(), g.string())
            }
            6 => format!("string({})", g.any_number()),
            _ => "left.tags[1]".to_owned(),
        })
    }

    fn list(&mut self) -> String {
        self.nested(|g| match g.level(3, 8) {
            0 => "left.tags".to_owned(),
            1 => "left.lines".to_owned(),
            2 => "[0.1, 0.25, 1e3]".to_owned(),
            3 | 4 => {
                let class = g.class();
                let mut list = format!("[{}", g.number(class));
                for _ in 0..g.choose(3) {
                    let _ = write!(list, ", {}", g.number(class));
                }
                list + "]"
            }
            5 => {
                let (range, name) = g.range();
                let class = g.class();
                let result = g.within(&range, &name, |g| g.number(class));
                format!("{range}.map({name}, {result})")
            }
            6 => {
                let (range, name) = g.range();
                let condition = g.within(&range, &name, Self::boolean);
                format!("{range}.filter({name}, {condition})")
            }
            _ => {
                let (range, name) = g.range();
                let (condition, result) =
                    g.within(&range, &name, |g| (g.boolean(), g.number(Class::Decimal)));
                format!("{range}.map({name}, {condition}, {result})")
            }
        })
    }

    /// A list to go through, and a name for its elements.
    fn range(&mut self) -> (String, String) {
        self.variables += 1;
        let range = if self.choose(2) == 0 {
            "left.lines"
        } else {
            "left.tags"
        };
        (range.to_owned(), format!("x{}", self.variables))
    }

    fn within<T>(&mut self, range: &str, name: &str, make: impl FnOnce(&mut Self) -> T) -> T {
        let lines = range == "left.lines";
        let names = if lines {
            &mut self.lines
        } else {
            &mut self.tags
        };
        names.push(name.to_owned());
        let made = make(self);
        let names = if lines {
            &mut self.lines
        } else {
            &mut self.tags
        };
        names.pop();
        made
    }

    fn boolean(&mut self) -> String {
        self.nested(|g| match g.level(6, 18) {
            0 => "true".to_owned(),
            1 => "(right != null)".to_owned(),
            2 => "has(left.amount)".to_owned(),
            3 => "left.flag".to_owned(),
            4 => [
                "has(left.nope)",
                "has(right.balance)",
                "(null == left.none)",
                "left.account",
            ][usize::from(g.choose(4))]
            .to_owned(),
            5..=8 => {
                let operator = ["<", "<=", ">", ">=", "==", "!="][usize::from(g.choose(6))];
                format!("({} {operator} {})", g.any_number(), g.any_number())
            }
            9 => format!("(dyn({}) == dyn({}))", g.any(), g.any()),
            10 | 11 => {
                let operator = ["&&", "||"][usize::from(g.choose(2))];
                format!("({} {operator} {})", g.boolean(), g.boolean())
            }
            12 => format!("!{}", g.boolean()),
            13 => {
                let condition = g.boolean();
                format!("({condition} ? {} : {})", g.boolean(), g.boolean())
            }
            14 => {
                let class = g.class();
                let needle = g.any_number();
                format!(
                    "({needle} in [{}, {}, 0.5])",
                    g.number(class),
                    g.number(Class::Decimal)
                )
            }
            15 => {
                let name = ["contains", "startsWith", "endsWith"][usize::from(g.choose(3))];
                format!("{}.{name}({})", g.string(), g.string())
            }
            _ => {
                let fold = ["all", "exists", "exists_one"][usize::from(g.choose(3))];
                let (range, name) = g.range();
                let condition = g.within(&range, &name, Self::boolean);
                format!("{range}.{fold}({name}, {condition})")
            }
        })
    }
}
