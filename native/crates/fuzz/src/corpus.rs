//! Inputs as text: hex with the fields apart.

/// One input a line: bytes in hex, blanks anywhere between them, `xx*n` for n times the same byte. A line that is empty or
/// begins with `#` is none. Panics on anything else: a corpus is part of its test.
pub fn corpus(text: &str) -> Vec<Vec<u8>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_whitespace().flat_map(|field| bytes(field, line)).collect()).collect()
}

fn bytes(field: &str, line: &str) -> Vec<u8> {
    let (digits, times) = match field.split_once('*') {
        Some((digits, times)) => (digits, times.parse().unwrap_or_else(|_| panic!("{times} in {line:?}"))),
        None => (field, 1),
    };
    let pair = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(pair).collect();
    bytes.unwrap_or_else(|| panic!("{field} in {line:?}")).repeat(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_apart_and_repeat() {
        assert_eq!(corpus("# two\n\n 01 0203 | 00*3\n".replace('|', "").as_str()), [[1, 2, 3, 0, 0, 0]]);
    }

    #[test]
    #[should_panic(expected = "0g in")]
    fn what_is_no_hex_is_not_passed_over() {
        corpus("00 0g");
    }
}
