//! Headers of a delivery as a file.

use crate::failure::Failed;

/// Name (lower case) and value of each header of a text: one a line, as `sign` and `curl --dump-header` write them. A
/// request or status line before them is skipped; an empty line ends them.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, Failed> {
    let mut headers = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            break;
        }
        match line.split_once(':') {
            Some((name, value)) if is_name(name) => {
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            _ if index == 0 && line.contains("HTTP/") => {}
            _ => return Err(Failed::Usage(format!("line {} of the headers isn't `name: value`", index + 1))),
        }
    }
    Ok(headers)
}

/// Returns true for a token (RFC 9110, 5.6.2).
fn is_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_programs_write_them() {
        let text = "POST /webhook HTTP/1.1\r\nHost: example.com\r\nX-Signature:  abc= \r\nx-url: https://a:1/b\r\n\r\nbody: no";
        let expected = [("host", "example.com"), ("x-signature", "abc="), ("x-url", "https://a:1/b")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn a_line_that_is_no_header_is_refused_by_its_number() {
        for text in ["a: b\nno header", "a: b\nsp ace: x", "a: b\n: x"] {
            let refused = parse(text).unwrap_err();
            assert!(refused.to_string().contains("line 2"), "{refused}");
        }
    }
}
