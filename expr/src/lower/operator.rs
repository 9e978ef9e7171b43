//! Operators: what each takes and gives.

use cel::common::ast::{IdedExpr, operators};

use super::{Lower, Result, Typed, either, known};
use crate::Type;
use crate::node::{Arithmetic, Constant, Node, Order};
use crate::source::Span;

impl Lower<'_> {
    pub(super) fn operator(
        &mut self,
        name: &str,
        arguments: &[IdedExpr],
        token: Span,
    ) -> Result<Typed> {
        match arguments {
            [operand] => self.unary(name, operand, token),
            [left, right] => {
                let (left, right) = (self.expression(left)?, self.expression(right)?);
                self.binary(name, left, right, token)
            }
            [condition, yes, no] => self.choose(condition, yes, no),
            _ => Err(self.error(token, "this is no expression")),
        }
    }

    fn unary(&mut self, name: &str, operand: &IdedExpr, token: Span) -> Result<Typed> {
        let typed = self.expression(operand)?;
        let span = token.to(typed.span);
        let at = self.at(span);
        if name == operators::LOGICAL_NOT {
            self.want_bool(&typed, "`!` needs a bool")?;
            let at = self.at(typed.span);
            let node = Node::Not {
                operand: Box::new(typed.node),
                at,
            };
            return Ok(Typed {
                node,
                ty: Type::Bool,
                span,
            });
        }
        if !(typed.ty.is_number() || typed.ty == Type::Any) {
            let message = format!(
                "cannot negate {}: it is of type {}",
                self.quote(&typed),
                typed.ty
            );
            return Err(self.error(span, message));
        }
        Ok(Typed {
            node: Node::Negate {
                operand: Box::new(typed.node),
                at,
            },
            ty: typed.ty,
            span,
        })
    }

    fn binary(&mut self, name: &str, left: Typed, right: Typed, token: Span) -> Result<Typed> {
        let span = left.span.to(right.span);
        match name {
            operators::LOGICAL_AND | operators::LOGICAL_OR => {
                let symbol = if name == operators::LOGICAL_AND {
                    "&&"
                } else {
                    "||"
                };
                for side in [&left, &right] {
                    self.want_bool(side, &format!("both sides of `{symbol}` must be bool"))?;
                }
                let (sides, at) = (pair(left, right), self.at(span));
                let node = match symbol {
                    "&&" => Node::And { sides, at },
                    _ => Node::Or { sides, at },
                };
                Ok(Typed {
                    node,
                    ty: Type::Bool,
                    span,
                })
            }
            operators::EQUALS => self.equal(left, right, false, span),
            operators::NOT_EQUALS => self.equal(left, right, true, span),
            operators::LESS => self.order(Order::Less, left, right, span),
            operators::LESS_EQUALS => self.order(Order::LessOrEqual, left, right, span),
            operators::GREATER => self.order(Order::Greater, left, right, span),
            operators::GREATER_EQUALS => self.order(Order::GreaterOrEqual, left, right, span),
            operators::ADD => self.arithmetic(Arithmetic::Add, left, right, span),
            operators::SUBSTRACT => self.arithmetic(Arithmetic::Subtract, left, right, span),
            operators::MULTIPLY => self.arithmetic(Arithmetic::Multiply, left, right, span),
            operators::DIVIDE => self.arithmetic(Arithmetic::Divide, left, right, span),
            operators::MODULO => self.arithmetic(Arithmetic::Remainder, left, right, span),
            operators::INDEX => {
                let span = span.to(self.tree.source.bracketed(token));
                self.index(left, right, span)
            }
            operators::IN => self.contains(left, right, span),
            _ => Err(self.error(token, "this operator is not part of the language")),
        }
    }

    fn choose(&mut self, condition: &IdedExpr, yes: &IdedExpr, no: &IdedExpr) -> Result<Typed> {
        let condition = self.expression(condition)?;
        self.want_bool(&condition, "the condition before `?` must be a bool")?;
        let (yes, no) = (self.expression(yes)?, self.expression(no)?);
        let ty = either(yes.ty.clone(), &no.ty);
        if ty == Type::Any && known(&yes.ty) && known(&no.ty) {
            let (first, second) = (self.quote(&yes), self.quote(&no));
            let message = format!(
                "both results of `? :` must have one type: {first} is {}, {second} is {}",
                yes.ty, no.ty
            );
            let help = "wrap one in dyn(…) if that is meant";
            let span = self.tree.source.balanced(no.span);
            return Err(self.tree.source.error_with_help(span, message, help));
        }
        let span = condition.span.to(no.span);
        let at = self.at(condition.span);
        let parts = Box::new([condition.node, self.widen(yes, &ty), self.widen(no, &ty)]);
        Ok(Typed {
            node: Node::Choose { parts, at },
            ty,
            span,
        })
    }

    fn equal(&self, left: Typed, right: Typed, negate: bool, span: Span) -> Result<Typed> {
        let null = |typed: &Typed| matches!(typed.node, Node::Constant(Constant::Null));
        let node = match (null(&left), null(&right)) {
            (_, true) => Node::IsNull {
                operand: Box::new(left.node),
                negate,
            },
            (true, _) => Node::IsNull {
                operand: Box::new(right.node),
                negate,
            },
            _ => {
                if known(&left.ty) && known(&right.ty) && !same_kind(&left.ty, &right.ty) {
                    let (l, r) = (self.quote(&left), self.quote(&right));
                    let message = format!(
                        "{l} is of type {} and {r} of type {}: they are never equal",
                        left.ty, right.ty
                    );
                    return Err(self.error(span, message));
                }
                Node::Equal {
                    sides: pair(left, right),
                    negate,
                    at: self.at(span),
                }
            }
        };
        Ok(Typed {
            node,
            ty: Type::Bool,
            span,
        })
    }

    fn order(&self, order: Order, left: Typed, right: Typed, span: Span) -> Result<Typed> {
        for side in [&left, &right] {
            if matches!(side.ty, Type::Null | Type::List(_) | Type::Map(_)) {
                let message = format!(
                    "{} has no order: it is of type {}",
                    self.quote(side),
                    side.ty
                );
                return Err(self.error(side.span, message));
            }
        }
        if known(&left.ty) && known(&right.ty) && !same_kind(&left.ty, &right.ty) {
            let (l, r) = (self.quote(&left), self.quote(&right));
            let message = format!(
                "cannot compare {l}, which is of type {}, with {r}, which is of type {}",
                left.ty, right.ty
            );
            return Err(self.error(span, message));
        }
        let node = Node::Order {
            order,
            sides: pair(left, right),
            at: self.at(span),
        };
        Ok(Typed {
            node,
            ty: Type::Bool,
            span,
        })
    }

    fn arithmetic(
        &self,
        operator: Arithmetic,
        left: Typed,
        right: Typed,
        span: Span,
    ) -> Result<Typed> {
        let Some(ty) = arithmetic_type(operator, &left.ty, &right.ty) else {
            let symbol = operator.symbol();
            let message = format!(
                "cannot apply `{symbol}` to {} and {}: {} is of type {}, {} of type {}",
                left.ty,
                right.ty,
                self.quote(&left),
                left.ty,
                self.quote(&right),
                right.ty
            );
            let help = match (&left.ty, &right.ty) {
                (Type::Double, other) | (other, Type::Double) if other.is_number() => {
                    "doubles do not mix with exact numbers: convert one side with decimal(…) or \
                     double(…)"
                }
                (Type::String, _) | (_, Type::String) if operator == Arithmetic::Add => {
                    "convert the other side with string(…)"
                }
                (Type::Null, _) | (_, Type::Null) => "null takes part in `==` and `!=` only",
                _ => return Err(self.error(span, message)),
            };
            let span = self.tree.source.balanced(span);
            return Err(self.tree.source.error_with_help(span, message, help));
        };
        let node = Node::Arithmetic {
            operator,
            sides: pair(left, right),
            at: self.at(span),
        };
        Ok(Typed { node, ty, span })
    }

    fn index(&self, left: Typed, right: Typed, span: Span) -> Result<Typed> {
        let wanted = match &left.ty {
            Type::Any => None,
            Type::List(element) => Some((Type::Int, (**element).clone())),
            Type::Map(value) => Some((Type::String, (**value).clone())),
            other => {
                let message = format!(
                    "{} is of type {other}, not a list or map",
                    self.quote(&left)
                );
                return Err(self.error(left.span, message));
            }
        };
        let fits = match &wanted {
            Some((index, _)) => right.ty == *index || right.ty == Type::Any,
            None => matches!(right.ty, Type::Int | Type::String | Type::Any),
        };
        if !fits {
            let message = format!(
                "cannot index {} by {}; lists go by int, maps by string",
                self.quote(&left),
                right.ty
            );
            return Err(self.error(right.span, message));
        }
        let at = self.at(left.span);
        let ty = wanted.map_or(Type::Any, |(_, ty)| ty);
        Ok(Typed {
            node: Node::Index {
                sides: pair(left, right),
                at,
            },
            ty,
            span,
        })
    }

    fn contains(&self, element: Typed, container: Typed, span: Span) -> Result<Typed> {
        match &container.ty {
            Type::Any => {}
            Type::List(inner) => {
                if known(&element.ty) && known(inner) && !same_kind(&element.ty, inner) {
                    let text = self.quote(&element);
                    let message = format!("{text} is {}, never in a list of {inner}", element.ty);
                    return Err(self.error(span, message));
                }
            }
            Type::Map(_) if matches!(element.ty, Type::String | Type::Any) => {}
            Type::Map(_) => {
                let text = self.quote(&element);
                let message = format!("names in a map are strings; {text} is {}", element.ty);
                return Err(self.error(element.span, message));
            }
            other => {
                let text = self.quote(&container);
                let message = format!("`in` looks into a list or a map; {text} is of type {other}");
                let error = self.error(container.span, message);
                let help = (*other == Type::String)
                    .then(|| "for a part of a string, use text.contains(part)".to_owned());
                return Err(crate::CompileError { help, ..error });
            }
        }
        let at = self.at(span);
        let node = match constants(&container.node) {
            Some(constants) => Node::OneOf {
                operand: Box::new(element.node),
                constants,
            },
            None => Node::In {
                sides: pair(element, container),
                at,
            },
        };
        Ok(Typed {
            node,
            ty: Type::Bool,
            span,
        })
    }

    /// An error that starts with `rule` unless the type may be bool.
    pub(super) fn want_bool(&self, typed: &Typed, rule: &str) -> Result<()> {
        match &typed.ty {
            Type::Bool | Type::Any => Ok(()),
            other => {
                let message = format!("{rule}; {} is of type {other}", self.quote(typed));
                Err(self.error(typed.span, message))
            }
        }
    }
}

fn pair(left: Typed, right: Typed) -> Box<[Node; 2]> {
    Box::new([left.node, right.node])
}

/// Whether values of these types can be equal or ordered: all numbers are one kind.
fn same_kind(a: &Type, b: &Type) -> bool {
    a.is_number() && b.is_number() || std::mem::discriminant(a) == std::mem::discriminant(b)
}

/// The elements of a list that consists of constants.
fn constants(node: &Node) -> Option<Box<[Constant]>> {
    let Node::List(elements) = node else {
        return None;
    };
    let constant = |node: &Node| match node {
        Node::Constant(constant) => Some(constant.clone()),
        _ => None,
    };
    elements.iter().map(constant).collect()
}

/// Type of `a operator b`; `None` where it is not defined.
fn arithmetic_type(operator: Arithmetic, a: &Type, b: &Type) -> Option<Type> {
    use Type::{Any, Bytes, Decimal, Double, Int, List, String};
    let add = operator == Arithmetic::Add;
    match (a, b) {
        (Int, Int) => Some(Int),
        (Int | Decimal, Int | Decimal) => Some(Decimal),
        (Double, Double) if operator != Arithmetic::Remainder => Some(Double),
        (String, String) if add => Some(String),
        (Bytes, Bytes) if add => Some(Bytes),
        (List(a), List(b)) if add => Some(List(Box::new(super::exactly((**a).clone(), b)))),
        (Any, Any) => Some(Any),
        // A decimal stays one whatever exact number comes to it.
        (Any, Decimal) | (Decimal, Any) => Some(Decimal),
        (Any, Int) | (Int, Any) => Some(Any),
        (Any, Double) | (Double, Any) if operator != Arithmetic::Remainder => Some(Double),
        (Any, other @ (String | Bytes)) | (other @ (String | Bytes), Any) if add => {
            Some(other.clone())
        }
        (Any, List(_)) | (List(_), Any) if add => Some(Type::any_list()),
        _ => None,
    }
}
