//! The GraphQL that clients of the simulator use: one operation, fields with arguments and directives, variables,
//! inline fragments. No named fragments, no schema; [`super::project`] checks selections against the reply.

use serde_json::{Map, Value};

/// Maximum nesting depth of selections and values.
const DEPTH_MAX: usize = 32;

/// One operation of a request, with its variables filled in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Operation {
    pub(crate) mutation: bool,
    pub(crate) fields: Vec<Field>,
}

/// One field of a selection.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Field {
    /// The field's name in the reply.
    pub(crate) alias: String,
    pub(crate) name: String,
    pub(crate) arguments: Map<String, Value>,
    pub(crate) directives: Vec<(String, Map<String, Value>)>,
    pub(crate) selection: Vec<Field>,
    /// The type of objects that have it, if it is part of an inline fragment.
    pub(crate) on: Option<String>,
}

impl Field {
    pub(crate) fn argument(&self, name: &str) -> Option<&Value> {
        self.arguments.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn directive(&self, name: &str) -> Option<&Map<String, Value>> {
        self.directives.iter().find(|(key, _)| key == name).map(|(_, arguments)| arguments)
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number(String),
    Mark(char),
    Spread,
}

/// Parses `query` with `variables`; the `Err` is the message for the client.
pub(crate) fn parse(query: &str, variables: &Value) -> Result<Operation, String> {
    let tokens = tokens(query)?;
    let mut parser = Parser { tokens, next: 0, declared: Map::new(), names: Vec::new(), depth: 0 };
    let mutation = parser.head(variables)?;
    let fields = parser.selection()?;
    match parser.peek() {
        None => Ok(Operation { mutation, fields }),
        Some(_) => Err("Only one operation without named fragments is simulated".to_owned()),
    }
}

fn tokens(query: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' => {
                let (text, length) = quoted(rest)?;
                tokens.push(Token::Text(text));
                length
            }
            '.' if rest.starts_with("...") => {
                tokens.push(Token::Spread);
                3
            }
            _ if first.is_whitespace() || first == ',' || first == '\u{feff}' => first.len_utf8(),
            _ if first.is_ascii_alphabetic() || first == '_' => {
                let length = run(rest, |c| c.is_ascii_alphanumeric() || c == '_');
                tokens.push(Token::Name(rest[..length].to_owned()));
                length
            }
            _ if first.is_ascii_digit() || first == '-' => {
                let length = run(rest, |c| c.is_ascii_alphanumeric() || "+-.".contains(c));
                tokens.push(Token::Number(rest[..length].to_owned()));
                length
            }
            _ if "!$()[]{}:=@|&".contains(first) => {
                tokens.push(Token::Mark(first));
                1
            }
            _ => return Err(format!("Parse error on {first:?}")),
        };
        rest = &rest[length..];
    }
    Ok(tokens)
}

fn run(rest: &str, belongs: impl Fn(char) -> bool) -> usize {
    rest.find(|c| !belongs(c)).unwrap_or(rest.len())
}

/// Reads a string or block string at the start of `rest`; returns it and the length of its source text.
fn quoted(rest: &str) -> Result<(String, usize), String> {
    if let Some(block) = rest.strip_prefix("\"\"\"") {
        let end = block.find("\"\"\"").ok_or("Unterminated string")?;
        return Ok((block[..end].trim().to_owned(), end + 6));
    }
    let mut escaped = false;
    for (index, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                let text = serde_json::from_str(&rest[..=index]).map_err(|_| "Bad string")?;
                return Ok((text, index + 1));
            }
            _ => {}
        }
    }
    Err("Unterminated string".to_owned())
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    /// Variables that have a value.
    declared: Map<String, Value>,
    /// Names of the variables that may be used.
    names: Vec<String>,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Result<Token, String> {
        let token = self.peek().cloned().ok_or("Parse error on end of input")?;
        self.next += 1;
        Ok(token)
    }

    fn take_mark(&mut self, mark: char) -> bool {
        let found = self.peek() == Some(&Token::Mark(mark));
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, mark: char) -> Result<(), String> {
        if self.take_mark(mark) { Ok(()) } else { Err(format!("Parse error: expected {mark:?}")) }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.take()? {
            Token::Name(name) => Ok(name),
            _ => Err("Parse error: expected a name".to_owned()),
        }
    }

    /// Parses everything before the selection; returns true for a mutation.
    fn head(&mut self, variables: &Value) -> Result<bool, String> {
        if self.peek() == Some(&Token::Mark('{')) {
            return Ok(false);
        }
        let mutation = match self.name()?.as_str() {
            "query" => false,
            "mutation" => true,
            other => return Err(format!("Parse error on {other:?}")),
        };
        if matches!(self.peek(), Some(Token::Name(_))) {
            self.name()?;
        }
        if self.take_mark('(') {
            while !self.take_mark(')') {
                self.declare(variables)?;
            }
        }
        Ok(mutation)
    }

    fn declare(&mut self, variables: &Value) -> Result<(), String> {
        self.expect('$')?;
        let name = self.name()?;
        self.expect(':')?;
        let mut required = false;
        while matches!(self.peek(), Some(Token::Mark('[' | ']' | '!') | Token::Name(_))) {
            required = self.take()? == Token::Mark('!');
        }
        let default = if self.take_mark('=') { self.value()? } else { None };
        match variables.get(&name).cloned().or(default) {
            None | Some(Value::Null) if required => {
                return Err(format!("Variable ${name} was provided invalid value"));
            }
            Some(value) => {
                self.declared.insert(name.clone(), value);
            }
            None => {}
        }
        self.names.push(name);
        Ok(())
    }

    fn selection(&mut self) -> Result<Vec<Field>, String> {
        self.deeper()?;
        self.expect('{')?;
        let mut fields = Vec::new();
        while !self.take_mark('}') {
            if self.peek() == Some(&Token::Spread) {
                self.take()?;
                if self.name()? != "on" {
                    return Err("Named fragments aren't simulated".to_owned());
                }
                let on = self.name()?;
                let of_fragment = self.selection()?.into_iter();
                fields.extend(
                    of_fragment.map(|field| Field { on: field.on.or_else(|| Some(on.clone())), ..field }),
                );
            } else {
                fields.push(self.field()?);
            }
        }
        self.depth -= 1;
        Ok(fields)
    }

    fn field(&mut self) -> Result<Field, String> {
        let alias = self.name()?;
        let name = if self.take_mark(':') { self.name()? } else { alias.clone() };
        let arguments = self.arguments()?;
        let mut directives = Vec::new();
        while self.take_mark('@') {
            directives.push((self.name()?, self.arguments()?));
        }
        let selected = self.peek() == Some(&Token::Mark('{'));
        let selection = if selected { self.selection()? } else { Vec::new() };
        Ok(Field { alias, name, arguments, directives, selection, on: None })
    }

    fn arguments(&mut self) -> Result<Map<String, Value>, String> {
        let mut arguments = Map::new();
        if self.take_mark('(') {
            self.pairs(')', &mut arguments)?;
        }
        Ok(arguments)
    }

    fn pairs(&mut self, end: char, into: &mut Map<String, Value>) -> Result<(), String> {
        while !self.take_mark(end) {
            let name = self.name()?;
            self.expect(':')?;
            if let Some(value) = self.value()? {
                into.insert(name, value);
            }
        }
        Ok(())
    }

    /// Parses a value; returns `None` for a variable that was left out, which differs from null.
    fn value(&mut self) -> Result<Option<Value>, String> {
        self.deeper()?;
        let value = match self.take()? {
            Token::Mark('$') => {
                let name = self.name()?;
                if !self.names.contains(&name) {
                    return Err(format!("Variable ${name} is used but not declared"));
                }
                self.declared.get(&name).cloned()
            }
            Token::Mark('{') => {
                let mut object = Map::new();
                self.pairs('}', &mut object)?;
                Some(Value::Object(object))
            }
            Token::Mark('[') => {
                let mut list = Vec::new();
                while !self.take_mark(']') {
                    list.push(self.value()?.unwrap_or(Value::Null));
                }
                Some(Value::Array(list))
            }
            Token::Text(text) => Some(Value::String(text)),
            Token::Number(number) => Some(serde_json::from_str(&number).map_err(|_| "Bad number")?),
            Token::Name(name) => Some(match name.as_str() {
                "null" => Value::Null,
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => Value::String(name),
            }),
            _ => return Err("Parse error: expected a value".to_owned()),
        };
        self.depth -= 1;
        Ok(value)
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err("Query is nested too deeply".to_owned()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn variables_and_literals_give_the_same_operation() {
        let literal = r#"mutation { set(input: {name: "available", rows: [{id: "a", from: null}], on: true}) @idempotent(key: "k") { errors { code } } }"#;
        let variable = "mutation Set($input: Input!, $key: String!) { set(input: $input) @idempotent(key: $key) { errors { code } } }";
        let variables = json!({"key": "k",
            "input": {"name": "available", "rows": [{"id": "a", "from": null}], "on": true}});
        assert_eq!(parse(literal, &Value::Null), parse(variable, &variables));
    }

    #[test]
    fn a_variable_left_out_is_not_null() {
        let operation = parse("query($a: Int, $b: Int) { f(a: $a, b: $b) }", &json!({"b": null})).unwrap();
        let arguments = &operation.fields[0].arguments;
        assert!(!arguments.contains_key("a"));
        assert_eq!(arguments["b"], Value::Null);
    }

    #[test]
    fn aliases_and_inline_fragments_are_read() {
        let operation = parse("{ one: thing(id: 1) { ... on Thing { id } name } }", &Value::Null).unwrap();
        let field = &operation.fields[0];
        assert_eq!((field.alias.as_str(), field.name.as_str()), ("one", "thing"));
        assert_eq!(field.selection.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["id", "name"]);
    }

    #[test]
    fn what_is_not_graphql_is_refused() {
        for query in
            ["", "{", "{ a(b: ) }", "mutation { a(b: $c) }", "query($a: Int!) { a(b: $a) }", "{ ...Named }"]
        {
            assert!(parse(query, &Value::Null).is_err(), "{query}");
        }
        assert!(parse(&"{a".repeat(1_000), &Value::Null).is_err());
    }
}
