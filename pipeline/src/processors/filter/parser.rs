//! Reads the text of a condition into its tree; every error says at which character.

use super::condition::{Comparison, Expression, Level, Operand, Path, ValueType, constant};
use super::lexer::{Token, TokenKind, tokens};
use crate::relabel::unanchored;

/// How deep parentheses and `not` may nest.
const DEPTH_MAX: usize = 64;

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    level: Level,
    /// Where an error is that finds no more tokens.
    end: usize,
    depth: usize,
}

pub(super) fn parse(text: &str, level: Level) -> Result<Expression, String> {
    let end = text.chars().count() + 1;
    let mut parser = Parser { tokens: tokens(text)?.into_iter().peekable(), level, end, depth: 0 };
    let expression = parser.disjunction()?;
    match parser.tokens.next() {
        None => Ok(expression),
        Some(token) => Err(format!(
            "unexpected {} at character {}, expected `and`, `or` or the end",
            describe(&token.kind),
            token.place
        )),
    }
}

impl Parser {
    fn disjunction(&mut self) -> Result<Expression, String> {
        let mut parts = vec![self.conjunction()?];
        while self.take_word("or") {
            parts.push(self.conjunction()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Or(parts) })
    }

    fn conjunction(&mut self) -> Result<Expression, String> {
        let mut parts = vec![self.negation()?];
        while self.take_word("and") {
            parts.push(self.negation()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::And(parts) })
    }

    fn negation(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("nested deeper than {DEPTH_MAX} at character {}", self.place()));
        }
        let expression = if self.take_word("not") {
            Expression::Not(Box::new(self.negation()?))
        } else if self.take_symbol("(") {
            let inner = self.disjunction()?;
            self.expect_symbol(")")?;
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(expression)
    }

    /// `name == "x"`, or a function that is true or false.
    fn comparison(&mut self) -> Result<Expression, String> {
        let place = self.place();
        let TokenKind::Word(word) = self.peek("a condition")? else {
            let left = self.operand()?;
            return self.compared(left, place);
        };
        let is_call = word.starts_with(|c: char| c.is_ascii_uppercase()) && constant(&word).is_none();
        if is_call {
            self.tokens.next();
            let expression = self.function(&word, place)?;
            return self.compared_function(expression);
        }
        let left = self.operand()?;
        self.compared(left, place)
    }

    fn compared(&mut self, left: Operand, place: usize) -> Result<Expression, String> {
        if let Some(comparison) = self.comparison_symbol() {
            return Ok(Expression::Compare(left, comparison, self.operand()?));
        }
        match left {
            Operand::Bool(value) => Ok(Expression::Is(value)),
            Operand::Path(Path::IsMonotonic) => {
                Ok(Expression::Compare(left, Comparison::Equal, Operand::Bool(true)))
            }
            _ => Err(format!(
                "expected a comparison such as `== \"x\"` behind what begins at character {place}"
            )),
        }
    }

    /// `IsMatch(...) == false` is common.
    fn compared_function(&mut self, expression: Expression) -> Result<Expression, String> {
        let place = self.place();
        let Some(comparison) = self.comparison_symbol() else { return Ok(expression) };
        match (comparison, self.operand()?) {
            (Comparison::Equal, Operand::Bool(true)) | (Comparison::NotEqual, Operand::Bool(false)) => {
                Ok(expression)
            }
            (Comparison::Equal, Operand::Bool(false)) | (Comparison::NotEqual, Operand::Bool(true)) => {
                Ok(Expression::Not(Box::new(expression)))
            }
            _ => Err(format!("a function is compared with `true` or `false` only, at character {place}")),
        }
    }

    fn comparison_symbol(&mut self) -> Option<Comparison> {
        let all = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        all.into_iter().find(|(symbol, _)| self.take_symbol(symbol)).map(|(_, comparison)| comparison)
    }

    fn function(&mut self, name: &str, place: usize) -> Result<Expression, String> {
        let known = matches!(
            name,
            "IsMatch"
                | "HasPrefix"
                | "HasSuffix"
                | "IsString"
                | "IsInt"
                | "IsDouble"
                | "IsBool"
                | "HasAttrKeyOnDatapoint"
                | "HasAttrOnDatapoint"
        );
        if !known {
            return Err(format!(
                "unknown function `{name}` at character {place}, expected IsMatch, HasPrefix, HasSuffix, IsString, \
                 IsInt, IsDouble, IsBool, HasAttrKeyOnDatapoint or HasAttrOnDatapoint"
            ));
        }
        self.expect_symbol("(")?;
        let expression = match name {
            "IsMatch" => {
                let operand = self.operand()?;
                let (pattern, place) = self.second_text()?;
                let regex = unanchored(&pattern).map_err(|error| format!("{error}, at character {place}"))?;
                Expression::IsMatch(operand, regex)
            }
            "HasPrefix" => Expression::HasPrefix(self.operand()?, self.second_text()?.0),
            "HasSuffix" => Expression::HasSuffix(self.operand()?, self.second_text()?.0),
            "HasAttrKeyOnDatapoint" => {
                let attribute = Operand::Path(Path::PointAttribute(self.text()?.0));
                Expression::Compare(attribute, Comparison::NotEqual, Operand::Nil)
            }
            "HasAttrOnDatapoint" => {
                let attribute = Operand::Path(Path::PointAttribute(self.text()?.0));
                let value = Operand::String(self.second_text()?.0);
                Expression::Compare(attribute, Comparison::Equal, value)
            }
            "IsString" => Expression::IsType(self.operand()?, ValueType::String),
            "IsInt" => Expression::IsType(self.operand()?, ValueType::Int),
            "IsDouble" => Expression::IsType(self.operand()?, ValueType::Double),
            _ => Expression::IsType(self.operand()?, ValueType::Bool),
        };
        self.expect_symbol(")")?;
        Ok(expression)
    }

    fn operand(&mut self) -> Result<Operand, String> {
        let place = self.place();
        let kind = self.peek("a value or a path")?;
        self.tokens.next();
        match kind {
            TokenKind::Text(text) => Ok(Operand::String(text)),
            TokenKind::Int(number) => Ok(Operand::Int(number)),
            TokenKind::Double(number) => Ok(Operand::Double(number)),
            TokenKind::Word(word) => match word.as_str() {
                "nil" => Ok(Operand::Nil),
                "true" => Ok(Operand::Bool(true)),
                "false" => Ok(Operand::Bool(false)),
                name => match constant(name) {
                    Some(number) => Ok(Operand::Int(number)),
                    None => self.path(word, place).map(Operand::Path),
                },
            },
            TokenKind::Symbol(symbol) => {
                Err(format!("unexpected `{symbol}` at character {place}, expected a value or a path"))
            }
        }
    }

    /// `resource.attributes["k"]`, of which the first word has been read.
    fn path(&mut self, first: String, place: usize) -> Result<Path, String> {
        let mut words = vec![first];
        while self.take_symbol(".") {
            match self.peek("a name behind `.`")? {
                TokenKind::Word(word) => words.push(word),
                other => return Err(self.unexpected(&other, "a name behind `.`")),
            }
            self.tokens.next();
        }
        let key = if self.take_symbol("[") {
            let (key, _) = self.text()?;
            self.expect_symbol("]")?;
            Some(key)
        } else {
            None
        };
        let mut words: Vec<_> = words.iter().map(String::as_str).collect();
        let level = match words.first() {
            Some(&"resource") if words.len() > 1 => Some(Level::Resource),
            Some(&("scope" | "instrumentation_scope")) if words.len() > 1 => Some(Level::Scope),
            Some(&"metric") if words.len() > 1 => Some(Level::Metric),
            Some(&"datapoint") if words.len() > 1 => Some(Level::Datapoint),
            _ => None,
        };
        if level.is_some() {
            words.remove(0);
        }
        let written = words.join(".");
        path_of(level.unwrap_or(self.level), &written, key).ok_or_else(|| {
            format!(
                "`{written}` at character {place} is nothing a filter can see: expected name, description, unit, \
                 type, aggregation_temporality or is_monotonic of the metric, attributes[\"...\"] of the datapoint, \
                 resource or scope (say which: `datapoint.attributes[\"...\"]`), or name or version of the scope"
            )
        })
    }

    fn second_text(&mut self) -> Result<(String, usize), String> {
        self.expect_symbol(",")?;
        self.text()
    }

    fn text(&mut self) -> Result<(String, usize), String> {
        let place = self.place();
        match self.peek("text in double quotes")? {
            TokenKind::Text(text) => {
                self.tokens.next();
                Ok((text, place))
            }
            other => Err(self.unexpected(&other, "text in double quotes")),
        }
    }

    fn take_word(&mut self, word: &str) -> bool {
        self.tokens.next_if(|token| matches!(&token.kind, TokenKind::Word(other) if other == word)).is_some()
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        self.tokens
            .next_if(|token| matches!(&token.kind, TokenKind::Symbol(other) if *other == symbol))
            .is_some()
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<(), String> {
        if self.take_symbol(symbol) {
            return Ok(());
        }
        let expected = format!("`{symbol}`");
        let found = self.peek(&expected)?;
        Err(self.unexpected(&found, &expected))
    }

    fn peek(&mut self, expected: &str) -> Result<TokenKind, String> {
        match self.tokens.peek() {
            Some(token) => Ok(token.kind.clone()),
            None => Err(format!("ends at character {}, expected {expected}", self.end)),
        }
    }

    fn place(&mut self) -> usize {
        self.tokens.peek().map_or(self.end, |token| token.place)
    }

    fn unexpected(&mut self, found: &TokenKind, expected: &str) -> String {
        format!("unexpected {} at character {}, expected {expected}", describe(found), self.place())
    }
}

fn path_of(level: Level, name: &str, key: Option<String>) -> Option<Path> {
    Some(match (level, name, key) {
        (Level::Metric | Level::Any, "name", None) => Path::Name,
        (Level::Metric | Level::Any, "description", None) => Path::Description,
        (Level::Metric | Level::Any, "unit", None) => Path::Unit,
        (Level::Metric | Level::Any, "type", None) => Path::Type,
        (Level::Metric | Level::Any, "aggregation_temporality", None) => Path::Temporality,
        (Level::Metric | Level::Any, "is_monotonic", None) => Path::IsMonotonic,
        (Level::Datapoint, "attributes", Some(key)) => Path::PointAttribute(key),
        (Level::Resource, "attributes", Some(key)) => Path::ResourceAttribute(key),
        (Level::Scope, "attributes", Some(key)) => Path::ScopeAttribute(key),
        (Level::Scope, "name", None) => Path::ScopeName,
        (Level::Scope, "version", None) => Path::ScopeVersion,
        _ => return None,
    })
}

fn describe(kind: &TokenKind) -> String {
    match kind {
        TokenKind::Word(text) => format!("`{text}`"),
        TokenKind::Text(text) => format!("`\"{text}\"`"),
        TokenKind::Int(number) => format!("`{number}`"),
        TokenKind::Double(number) => format!("`{number}`"),
        TokenKind::Symbol(symbol) => format!("`{symbol}`"),
    }
}
