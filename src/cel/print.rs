//! A tree → the text of an expression: for conditions that are taken over from other formats.

use std::fmt::Write as _;

use super::parser::{Expr, Form, Literal};

/// How tightly a form binds: choice, `||`, `&&`, the operators, signs, and what needs no brackets at all.
const CHOICE: usize = 0;
const ANY: usize = 1;
const ALL: usize = 2;
const SIGN: usize = 6;
const WHOLE: usize = 7;

/// The text of an expression, which can stand between `&&`.
pub(crate) fn print(expr: &Expr) -> String {
    let mut out = String::new();
    write(expr, ALL.saturating_add(1), &mut out);
    out
}

const fn level(form: &Form) -> usize {
    match form {
        Form::If(..) => CHOICE,
        Form::Any(_) => ANY,
        Form::All(_) => ALL,
        Form::Binary(binary, ..) => ALL.saturating_add(binary.level()),
        Form::Not(_) | Form::Negate(_) => SIGN,
        Form::Literal(Literal::Int(value)) if *value < 0 => SIGN,
        Form::Literal(Literal::Double(value)) if value.is_sign_negative() => SIGN,
        Form::Literal(_)
        | Form::Name(_)
        | Form::Select(..)
        | Form::Index(..)
        | Form::Call(..)
        | Form::List(_)
        | Form::Map(_) => WHOLE,
    }
}

/// Writes `expr` where only what binds at least as tightly as `needed` can stand without brackets.
fn write(expr: &Expr, needed: usize, out: &mut String) {
    let own = level(&expr.form);
    let is_loose = own < needed;
    out.push_str(if is_loose { "(" } else { "" });
    match &expr.form {
        Form::Literal(literal) => write_literal(literal, out),
        Form::Name(name) => out.push_str(name),
        Form::Select(of, field) => {
            write(of, WHOLE, out);
            out.push('.');
            out.push_str(field);
        }
        Form::Index(of, key) => {
            write(of, WHOLE, out);
            out.push('[');
            write(key, CHOICE, out);
            out.push(']');
        }
        Form::Call(of, name, arguments) => {
            if let Some(of) = of {
                write(of, WHOLE, out);
                out.push('.');
            }
            out.push_str(name);
            write_list(arguments, ('(', ')'), out);
        }
        Form::List(items) => write_list(items, ('[', ']'), out),
        Form::Map(entries) => write_map(entries, out),
        Form::Not(of) => write_sign('!', of, out),
        Form::Negate(of) => write_sign('-', of, out),
        Form::Binary(binary, left, right) => {
            write(left, own, out);
            let _ = write!(out, " {} ", binary.sign());
            write(right, own.saturating_add(1), out);
        }
        Form::All(operands) => write_chain(operands, " && ", own, out),
        Form::Any(operands) => write_chain(operands, " || ", own, out),
        Form::If(condition, yes, no) => {
            write(condition, ANY, out);
            out.push_str(" ? ");
            write(yes, ANY, out);
            out.push_str(" : ");
            write(no, CHOICE, out);
        }
    }
    out.push_str(if is_loose { ")" } else { "" });
}

fn write_sign(sign: char, of: &Expr, out: &mut String) {
    out.push(sign);
    write(of, WHOLE, out);
}

fn write_chain(operands: &[Expr], between: &str, own: usize, out: &mut String) {
    for (at, operand) in operands.iter().enumerate() {
        out.push_str(if at > 0 { between } else { "" });
        write(operand, own.saturating_add(1), out);
    }
}

fn write_list(items: &[Expr], (open, close): (char, char), out: &mut String) {
    out.push(open);
    for (at, item) in items.iter().enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        write(item, CHOICE, out);
    }
    out.push(close);
}

fn write_map(entries: &[(Expr, Expr)], out: &mut String) {
    out.push('{');
    for (at, (key, value)) in entries.iter().enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        write(key, CHOICE, out);
        out.push_str(": ");
        write(value, CHOICE, out);
    }
    out.push('}');
}

fn write_literal(literal: &Literal, out: &mut String) {
    let _ = match literal {
        Literal::Null => write!(out, "null"),
        Literal::Bool(value) => write!(out, "{value}"),
        Literal::Int(value) => write!(out, "{value}"),
        Literal::Uint(value) => write!(out, "{value}u"),
        Literal::Double(value) => write!(out, "{value:?}"),
        Literal::Text(text) => {
            out.push_str(&quoted(text));
            Ok(())
        }
    };
}

/// A text as a literal.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            _ if letter.is_control() => {
                let _ = write!(out, "\\U{:08x}", u32::from(letter));
            }
            _ => out.push(letter),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::super::parser::parse;
    use super::*;

    #[track_caller]
    fn check(source: &str, expected: &str) {
        let printed = print(&parse(source).unwrap());
        assert_eq!(printed, expected);
        assert_eq!(print(&parse(&printed).unwrap()), expected, "it means something else when it is read again");
    }

    #[test]
    fn brackets_stand_where_they_are_needed() {
        check("a==1&&(b)", "(a == 1 && b)");
        check("a || b && c", "(a || b && c)");
        check("(a || b) && c", "((a || b) && c)");
        check("!(a in [1, 2u, -3, 1.5])", "!(a in [1, 2u, -3, 1.5])");
        check("1 - (2 - 3) * 4", "1 - (2 - 3) * 4");
        check("(1 - 2) - 3", "1 - 2 - 3");
        check("-(-9223372036854775808)", "-(-9223372036854775808)");
        check("a ? b : c ? d : e", "(a ? b : c ? d : e)");
        check("x['a\\'b'].f(r'\\d', \"\\n\").size() > 0", "x[\"a'b\"].f(\"\\\\d\", \"\\U0000000a\").size() > 0");
        check("{'a': 1, 'b': x ? 1 : 2} == null", "{\"a\": 1, \"b\": x ? 1 : 2} == null");
        check("a.exists(x, x == 'y' || true)", "a.exists(x, x == \"y\" || true)");
    }
}
