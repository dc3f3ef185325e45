//! One request over one connection: as much HTTP as a test needs, with a bound on every wait.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, bail};

const CONNECT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub body: String,
}

/// `address`: host and port. The answer is read until the server closes.
///
/// # Errors
/// No connection, no whole answer in time, or not HTTP.
pub fn request(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> anyhow::Result<Response> {
    let socket = address.to_socket_addrs()?.next().context("no such address")?;
    let mut stream = TcpStream::connect_timeout(&socket, CONNECT)
        .with_context(|| format!("nothing listens on {address}"))?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).with_context(|| format!("{method} {path}: no answer"))?;
    parse(&answer).with_context(|| format!("{method} {path}"))
}

fn parse(answer: &[u8]) -> anyhow::Result<Response> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        bail!("the answer was cut off after {} bytes", answer.len());
    };
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.with_context(|| format!("not HTTP: {head:.60}"))?;
    let body = &answer[end + 4..];
    let chunked = head.lines().any(|line| {
        line.to_ascii_lowercase().starts_with("transfer-encoding:") && line.contains("chunked")
    });
    let body = if chunked { join_chunks(body)? } else { body.to_vec() };
    Ok(Response { status, body: String::from_utf8_lossy(&body).into_owned() })
}

fn join_chunks(mut rest: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n").context("cut-off chunk")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line])?.trim(), 16)?;
        let chunk = rest.get(line + 2..line + 2 + length).context("cut-off chunk")?;
        if length == 0 {
            return Ok(whole);
        }
        whole.extend_from_slice(chunk);
        rest = rest.get(line + 4 + length..).context("cut-off chunk")?;
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn answers_are_read_whole_or_chunked_and_a_cut_one_is_an_error() {
        let check = |answer: &str| parse(answer.as_bytes()).ok().map(|r| (r.status, r.body));
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        assert_eq!(check(whole), Some((200, "hi".into())));
        let chunked =
            "HTTP/1.1 400 Bad\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(check(chunked), Some((400, "abc".into())));
        assert_eq!(check("HTTP/1.1 200 OK\r\nContent"), None);
    }
}
