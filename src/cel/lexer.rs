//! Text → tokens (CEL language definition, "Syntax").

use super::Fault;

/// A token and the byte it begins at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spanned {
    pub(super) at: usize,
    pub(super) token: Token,
}

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name; `true`, `false`, `null` and `in` among them.
    Name(Box<str>),
    /// An integer without its sign.
    Int(u64),
    Uint(u64),
    Double(f64),
    Text(Box<str>),
    /// An operator or bracket.
    Symbol(&'static str),
    End,
}

/// The longer ones first.
const SYMBOLS: [&str; 23] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ",", ".", "(", ")", "[",
    "]", "{",
];

/// What CEL keeps for itself, beside `true`, `false`, `null` and `in`.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// The tokens of `source`, the last of them [`Token::End`].
pub(super) fn tokens(source: &str) -> Result<Vec<Spanned>, Fault> {
    let mut lexer = Lexer { source, rest: source };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank();
        let at = lexer.at();
        let token = lexer.next()?;
        let is_end = token == Token::End;
        tokens.push(Spanned { at, token });
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'s> {
    source: &'s str,
    rest: &'s str,
}

impl<'s> Lexer<'s> {
    const fn at(&self) -> usize {
        self.source.len().saturating_sub(self.rest.len())
    }

    /// Takes the longest beginning of which every character passes.
    fn take_while(&mut self, mut passes: impl FnMut(char) -> bool) -> &'s str {
        let length = self.rest.find(|letter| !passes(letter)).unwrap_or(self.rest.len());
        self.take(length)
    }

    fn take(&mut self, length: usize) -> &'s str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// Skips white space and comments, which go from `//` to the end of the line.
    fn skip_blank(&mut self) {
        loop {
            self.take_while(|letter| matches!(letter, ' ' | '\t' | '\n' | '\r' | '\u{c}'));
            if !self.rest.starts_with("//") {
                return;
            }
            self.take_while(|letter| letter != '\n');
        }
    }

    fn next(&mut self) -> Result<Token, Fault> {
        let Some(first) = self.rest.chars().next() else { return Ok(Token::End) };
        let is_fraction = first == '.' && self.rest.chars().nth(1).is_some_and(|next| next.is_ascii_digit());
        match first {
            '"' | '\'' => self.text(false),
            '0'..='9' => self.number(),
            _ if is_fraction => self.number(),
            'a'..='z' | 'A'..='Z' | '_' => self.name(),
            _ => self.symbol(first),
        }
    }

    fn symbol(&mut self, first: char) -> Result<Token, Fault> {
        let known = SYMBOLS.iter().chain(&["}"]).find(|symbol| self.rest.starts_with(**symbol));
        if let Some(symbol) = known {
            self.take(symbol.len());
            return Ok(Token::Symbol(symbol));
        }
        let fault = Fault::new(self.at(), format!("`{}` means nothing here", first.escape_default()));
        Err(match first {
            '&' => fault.hint("write `&&`"),
            '|' => fault.hint("write `||`"),
            '=' if self.rest.starts_with("=~") => fault.hint("write `args.name.matches(\"^[a-z]+$\")`"),
            '=' => fault.hint("write `==`"),
            '“' | '”' | '‘' | '’' => fault.hint("write straight quotes"),
            _ => fault,
        })
    }

    fn name(&mut self) -> Result<Token, Fault> {
        let at = self.at();
        // `r"…"` is raw text, `b"…"` are bytes.
        let prefix = self.rest.find(['"', '\'']).and_then(|quote| self.rest.get(..quote)).unwrap_or_default();
        match prefix {
            "r" | "R" => {
                self.take(1);
                return self.text(true);
            }
            "b" | "B" | "br" | "bR" | "Br" | "BR" | "rb" | "rB" | "Rb" | "RB" => {
                return Err(Fault::new(at, "bytes are not supported").hint("JSON has no bytes: write text"));
            }
            _ => {}
        }
        let name = self.take_while(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if RESERVED.contains(&name) {
            return Err(Fault::new(at, format!("`{name}` is a reserved word of CEL")));
        }
        Ok(Token::Name(name.into()))
    }

    fn number(&mut self) -> Result<Token, Fault> {
        let at = self.at();
        let too_large = || Fault::new(at, "this number does not fit into 64 bits");
        if let Some(digits) = self.rest.strip_prefix("0x").or_else(|| self.rest.strip_prefix("0X")) {
            self.rest = digits;
            let digits = self.take_while(|letter| letter.is_ascii_hexdigit());
            let value = u64::from_str_radix(digits, 16).map_err(|_| too_large())?;
            return self.integer(at, value);
        }
        let whole = self.take_while(|letter| letter.is_ascii_digit());
        let mut text = whole.to_owned();
        let is_fraction =
            self.rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if is_fraction {
            text.push_str(self.take(1));
            text.push_str(self.take_while(|letter| letter.is_ascii_digit()));
        }
        let is_power = self.rest.starts_with(['e', 'E']);
        if is_power {
            text.push_str(self.take(1));
            if self.rest.starts_with(['+', '-']) {
                text.push_str(self.take(1));
            }
            text.push_str(self.take_while(|letter| letter.is_ascii_digit()));
        }
        if !is_fraction && !is_power {
            let value = text.parse().map_err(|_| too_large())?;
            return self.integer(at, value);
        }
        self.refuse_letter(at)?;
        let value: f64 = text.parse().map_err(|_| Fault::new(at, "this is no number"))?;
        if value.is_finite() { Ok(Token::Double(value)) } else { Err(too_large()) }
    }

    fn integer(&mut self, at: usize, value: u64) -> Result<Token, Fault> {
        let is_unsigned = self.rest.starts_with(['u', 'U']);
        if is_unsigned {
            self.take(1);
        }
        self.refuse_letter(at)?;
        Ok(if is_unsigned { Token::Uint(value) } else { Token::Int(value) })
    }

    /// `12ab` is neither a number nor a name.
    fn refuse_letter(&self, at: usize) -> Result<(), Fault> {
        let follows = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        if self.rest.starts_with(follows) { Err(Fault::new(at, "this is no number")) } else { Ok(()) }
    }

    fn text(&mut self, is_raw: bool) -> Result<Token, Fault> {
        let at = self.at();
        let quote =
            ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| self.rest.starts_with(quote)).unwrap_or("\"");
        self.take(quote.len());
        let mut text = String::new();
        loop {
            if self.rest.starts_with(quote) {
                self.take(quote.len());
                return Ok(Token::Text(text.into()));
            }
            let here = self.at();
            let Some(letter) = self.rest.chars().next() else {
                return Err(Fault::new(at, "this text does not end").hint(format!("close it with `{quote}`")));
            };
            self.take(letter.len_utf8());
            match letter {
                '\n' | '\r' if quote.len() == 1 => {
                    return Err(Fault::new(at, "this text does not end on its line"));
                }
                '\\' if is_raw => {
                    text.push('\\');
                    // A raw text keeps its backslashes, and a quote behind one does not end it.
                    if let Some(next) = self.rest.chars().next() {
                        text.push_str(self.take(next.len_utf8()));
                    }
                }
                '\\' => text.push(self.escape(here)?),
                letter => text.push(letter),
            }
        }
    }

    /// Behind a backslash.
    fn escape(&mut self, at: usize) -> Result<char, Fault> {
        let unknown = |at| {
            Fault::new(at, "this escape means nothing").hint("a backslash itself is written `\\\\`, or in `r\"…\"`")
        };
        let letter = self.rest.chars().next().ok_or_else(|| unknown(at))?;
        self.take(letter.len_utf8());
        let code = |lexer: &mut Self, digits: usize, base: u32| {
            let digits = lexer.rest.get(..digits).ok_or_else(|| unknown(at))?;
            let code =
                u32::from_str_radix(digits, base).ok().and_then(char::from_u32).ok_or_else(|| unknown(at))?;
            lexer.take(digits.len());
            Ok(code)
        };
        match letter {
            '\\' | '"' | '\'' | '`' | '?' => Ok(letter),
            'a' => Ok('\u{7}'),
            'b' => Ok('\u{8}'),
            'f' => Ok('\u{c}'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'v' => Ok('\u{b}'),
            'x' | 'X' => code(self, 2, 16),
            'u' => code(self, 4, 16),
            'U' => code(self, 8, 16),
            _ => Err(unknown(at)),
        }
    }
}
