//! The notation of inputs with several parts: a first line, header lines, an empty line, a body. Seeds in it can be
//! read and written by hand, and any bytes are a valid input.

/// Separates several inputs in one.
const BETWEEN: &[u8] = b"\n%%\n";
/// Upper limit of the inputs in one.
const INPUTS_MAX: usize = 8;

/// An input with several parts.
pub(crate) struct Parts<'a> {
    /// The words of the first line.
    pub(crate) words: Vec<String>,
    /// Names in lower case, with their values.
    pub(crate) headers: Vec<(String, String)>,
    /// The rest.
    pub(crate) body: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Parses any bytes.
    pub(crate) fn of(data: &'a [u8]) -> Self {
        let (first, mut rest) = line(data);
        let words = text(first).split_whitespace().map(str::to_owned).collect();
        let mut headers = Vec::new();
        while !rest.is_empty() {
            let (header, behind) = line(rest);
            rest = behind;
            if header.is_empty() {
                break;
            }
            let header = text(header);
            if let Some((name, value)) = header.split_once(':') {
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
        Self { words, headers, body: rest }
    }

    /// The word at this index in the first line; empty if there are fewer.
    pub(crate) fn word(&self, number: usize) -> &str {
        self.words.get(number).map_or("", String::as_str)
    }
}

/// Returns the first line, without its end, and the rest.
pub(crate) fn line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &[]),
    }
}

/// Converts bytes to text; invalid UTF-8 is replaced.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Splits data into its inputs, at most eight.
pub(crate) fn several(data: &[u8]) -> Vec<&[u8]> {
    let (mut inputs, mut rest) = (Vec::new(), data);
    while inputs.len() + 1 < INPUTS_MAX
        && let Some(end) = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN)
    {
        inputs.push(&rest[..end]);
        rest = &rest[end + BETWEEN.len()..];
    }
    inputs.push(rest);
    inputs
}
