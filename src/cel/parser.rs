//! Tokens → a tree (CEL language definition, "Syntax": the grammar, with macros still calls).

use super::Fault;
use super::lexer::{Spanned, Token, tokens};

/// An expression and the byte it is told by: the operator of an operation, the name of a call.
#[derive(Debug, Clone)]
pub(crate) struct Expr {
    pub(crate) at: usize,
    pub(crate) depth: usize,
    pub(crate) form: Form,
}

/// The forms of expressions.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    Literal(Literal),
    Name(Box<str>),
    Select(Box<Expr>, Box<str>),
    Index(Box<Expr>, Box<Expr>),
    /// A function, or a method of the first.
    Call(Option<Box<Expr>>, Box<str>, Vec<Expr>),
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
    /// `a && b && …`
    All(Vec<Expr>),
    /// `a || b || …`
    Any(Vec<Expr>),
    If(Box<Expr>, Box<Expr>, Box<Expr>),
}

/// A value that stands in the text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Box<str>),
}

/// The operators between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Binary {
    pub(crate) const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }

    /// How tightly it binds: relations, then sums, then products.
    pub(super) const fn level(self) -> usize {
        match self {
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual
            | Self::In => 1,
            Self::Add | Self::Subtract => 2,
            Self::Multiply | Self::Divide | Self::Remainder => 3,
        }
    }
}

/// The deepest nesting of an expression. It bounds the stack of whoever walks over the tree.
const DEEPEST: usize = 40;

/// The tree of `source`.
pub(super) fn parse(source: &str) -> Result<Expr, Fault> {
    let tokens = tokens(source)?;
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), nesting: 0 };
    let whole = parser.expression()?;
    match parser.peek() {
        (_, Token::End) => Ok(whole),
        (at, token) => {
            let fault = Fault::new(at, format!("{} is not expected here", describe(&token)));
            Err(match (&whole.form, &token) {
                (_, Token::Name(name)) if &**name == "and" => fault.hint("write `&&`"),
                (_, Token::Name(name)) if &**name == "or" => fault.hint("write `||`"),
                (Form::Name(name), _) if &**name == "not" => fault.hint("write `!` for `not`"),
                _ => fault,
            })
        }
    }
}

fn describe(token: &Token) -> String {
    match token {
        Token::Name(name) => format!("`{name}`"),
        Token::Int(_) | Token::Uint(_) | Token::Double(_) => "this number".to_owned(),
        Token::Text(_) => "this text".to_owned(),
        Token::Symbol(symbol) => format!("`{symbol}`"),
        Token::End => "the end of the expression".to_owned(),
    }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Spanned>>,
    nesting: usize,
}

impl Parser {
    fn peek(&mut self) -> (usize, Token) {
        self.tokens.peek().map_or((0, Token::End), |spanned| (spanned.at, spanned.token.clone()))
    }

    fn at(&mut self) -> usize {
        self.tokens.peek().map_or(0, |spanned| spanned.at)
    }

    fn is_next(&mut self, symbol: &str) -> bool {
        matches!(self.tokens.peek(), Some(Spanned { token: Token::Symbol(next), .. }) if *next == symbol)
    }

    /// Takes the symbol if it is next, and says where it stood.
    fn accept(&mut self, symbol: &str) -> Option<usize> {
        let at = self.at();
        self.is_next(symbol).then(|| {
            self.tokens.next();
            at
        })
    }

    fn expect(&mut self, symbol: &str) -> Result<(), Fault> {
        if self.accept(symbol).is_some() {
            return Ok(());
        }
        let (at, token) = self.peek();
        Err(Fault::new(at, format!("`{symbol}` is expected here, not {}", describe(&token))))
    }

    fn expression(&mut self) -> Result<Expr, Fault> {
        self.nesting = self.nesting.saturating_add(1);
        if self.nesting > DEEPEST {
            return Err(too_deep(self.at()));
        }
        let condition = self.any()?;
        let whole = match self.accept("?") {
            None => condition,
            Some(at) => {
                let yes = self.any()?;
                self.expect(":")?;
                let no = self.expression()?;
                let depth = condition.depth.max(yes.depth).max(no.depth);
                expr(at, depth, Form::If(condition.into(), yes.into(), no.into()))?
            }
        };
        self.nesting = self.nesting.saturating_sub(1);
        Ok(whole)
    }

    fn any(&mut self) -> Result<Expr, Fault> {
        self.chain("||", Form::Any, Self::all)
    }

    fn all(&mut self) -> Result<Expr, Fault> {
        self.chain("&&", Form::All, |parser| parser.binary(1))
    }

    fn chain(
        &mut self,
        sign: &str,
        form: fn(Vec<Expr>) -> Form,
        operand: fn(&mut Self) -> Result<Expr, Fault>,
    ) -> Result<Expr, Fault> {
        let first = operand(self)?;
        let at = self.at();
        if !self.is_next(sign) {
            return Ok(first);
        }
        let mut operands = vec![first];
        while self.accept(sign).is_some() {
            operands.push(operand(self)?);
        }
        let depth = deepest(&operands);
        expr(at, depth, form(operands))
    }

    /// Operators of this level and of tighter ones, each level from the left.
    fn binary(&mut self, level: usize) -> Result<Expr, Fault> {
        let mut left = self.unary()?;
        while let Some((at, binary)) = self.operator(level) {
            let right = self.binary(binary.level().saturating_add(1))?;
            let depth = left.depth.max(right.depth);
            left = expr(at, depth, Form::Binary(binary, left.into(), right.into()))?;
        }
        Ok(left)
    }

    fn operator(&mut self, level: usize) -> Option<(usize, Binary)> {
        let (at, token) = self.peek();
        let binary = match token {
            Token::Name(name) if &*name == "in" => Binary::In,
            Token::Symbol("==") => Binary::Equal,
            Token::Symbol("!=") => Binary::NotEqual,
            Token::Symbol("<") => Binary::Less,
            Token::Symbol("<=") => Binary::LessOrEqual,
            Token::Symbol(">") => Binary::Greater,
            Token::Symbol(">=") => Binary::GreaterOrEqual,
            Token::Symbol("+") => Binary::Add,
            Token::Symbol("-") => Binary::Subtract,
            Token::Symbol("*") => Binary::Multiply,
            Token::Symbol("/") => Binary::Divide,
            Token::Symbol("%") => Binary::Remainder,
            Token::Name(_)
            | Token::Int(_)
            | Token::Uint(_)
            | Token::Double(_)
            | Token::Text(_)
            | Token::Symbol(_)
            | Token::End => return None,
        };
        (binary.level() >= level).then(|| {
            self.tokens.next();
            (at, binary)
        })
    }

    fn unary(&mut self) -> Result<Expr, Fault> {
        let mut signs: Vec<(usize, bool)> = Vec::new();
        loop {
            if let Some(at) = self.accept("!") {
                signs.push((at, true));
            } else if let Some(at) = self.accept("-") {
                signs.push((at, false));
            } else {
                break;
            }
        }
        // `-9223372036854775808` is a number, its digits alone are none.
        let mut operand = match (signs.last().copied(), self.peek()) {
            (Some((at, false)), (_, Token::Int(digits))) => {
                signs.pop();
                self.tokens.next();
                let value = 0_i64.checked_sub_unsigned(digits).ok_or_else(|| too_large(at))?;
                let literal = expr(at, 0, Form::Literal(Literal::Int(value)))?;
                self.postfix(literal)?
            }
            _ => {
                let primary = self.primary()?;
                self.postfix(primary)?
            }
        };
        while let Some((at, is_not)) = signs.pop() {
            let depth = operand.depth;
            operand =
                expr(at, depth, if is_not { Form::Not(operand.into()) } else { Form::Negate(operand.into()) })?;
        }
        Ok(operand)
    }

    fn postfix(&mut self, primary: Expr) -> Result<Expr, Fault> {
        let mut operand = primary;
        loop {
            if self.accept(".").is_some() {
                let (at, name) = self.name()?;
                operand = if self.accept("(").is_some() {
                    let arguments = self.items(")")?;
                    let depth = operand.depth.max(deepest(&arguments));
                    expr(at, depth, Form::Call(Some(operand.into()), name, arguments))?
                } else {
                    let depth = operand.depth;
                    expr(at, depth, Form::Select(operand.into(), name))?
                };
            } else if let Some(at) = self.accept("[") {
                let key = self.expression()?;
                self.expect("]")?;
                let depth = operand.depth.max(key.depth);
                operand = expr(at, depth, Form::Index(operand.into(), key.into()))?;
            } else {
                return Ok(operand);
            }
        }
    }

    fn name(&mut self) -> Result<(usize, Box<str>), Fault> {
        match self.peek() {
            (at, Token::Name(name)) if !matches!(&*name, "in" | "true" | "false" | "null") => {
                self.tokens.next();
                Ok((at, name))
            }
            (at, token) => {
                let fault = Fault::new(at, format!("a name is expected here, not {}", describe(&token)));
                Err(fault.hint("what is no plain name goes in brackets: `args[\"a-b\"]`"))
            }
        }
    }

    fn primary(&mut self) -> Result<Expr, Fault> {
        let (at, token) = self.peek();
        let literal = |literal| expr(at, 0, Form::Literal(literal));
        self.tokens.next();
        match token {
            Token::Name(name) => match &*name {
                "true" | "false" => literal(Literal::Bool(&*name == "true")),
                "null" => literal(Literal::Null),
                "in" => Err(Fault::new(at, "`in` is not expected here")),
                _ if self.accept("(").is_some() => {
                    let arguments = self.items(")")?;
                    let depth = deepest(&arguments);
                    expr(at, depth, Form::Call(None, name, arguments))
                }
                _ => expr(at, 0, Form::Name(name)),
            },
            Token::Int(digits) => literal(Literal::Int(i64::try_from(digits).map_err(|_| too_large(at))?)),
            Token::Uint(value) => literal(Literal::Uint(value)),
            Token::Double(value) => literal(Literal::Double(value)),
            Token::Text(text) => literal(Literal::Text(text)),
            Token::Symbol("(") => {
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Symbol("[") => {
                let items = self.items("]")?;
                let depth = deepest(&items);
                expr(at, depth, Form::List(items))
            }
            Token::Symbol("{") => self.map(at),
            Token::Symbol(_) | Token::End => {
                Err(Fault::new(at, format!("a value is expected here, not {}", describe(&token))))
            }
        }
    }

    /// Expressions up to the closing bracket; a comma may stand behind the last.
    fn items(&mut self, close: &'static str) -> Result<Vec<Expr>, Fault> {
        let mut items = Vec::new();
        while self.accept(close).is_none() {
            items.push(self.expression()?);
            if self.accept(",").is_none() {
                self.expect(close)?;
                break;
            }
        }
        Ok(items)
    }

    fn map(&mut self, at: usize) -> Result<Expr, Fault> {
        let mut entries = Vec::new();
        let mut depth = 0;
        while self.accept("}").is_none() {
            let key = self.expression()?;
            self.expect(":")?;
            let value = self.expression()?;
            depth = key.depth.max(value.depth).max(depth);
            entries.push((key, value));
            if self.accept(",").is_none() {
                self.expect("}")?;
                break;
            }
        }
        expr(at, depth, Form::Map(entries))
    }
}

fn deepest(list: &[Expr]) -> usize {
    list.iter().map(|expr| expr.depth).max().unwrap_or_default()
}

/// An expression over parts of which the deepest is `below` deep.
fn expr(at: usize, below: usize, form: Form) -> Result<Expr, Fault> {
    let depth = below.saturating_add(1);
    if depth > DEEPEST { Err(too_deep(at)) } else { Ok(Expr { at, depth, form }) }
}

fn too_deep(at: usize) -> Fault {
    Fault::new(at, format!("the expression is nested more than {DEEPEST} levels deep"))
}

fn too_large(at: usize) -> Fault {
    Fault::new(at, "this number does not fit into 64 bits")
}
