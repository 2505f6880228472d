//! As much of HTTP and WebSocket as an attacker needs: frames that no library would send, and what comes back.

use std::fmt;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Kept of what comes back, bytes.
const HEARD_MAX: usize = 64 << 10;

/// Frames as a client sends them (RFC 6455, 5.2); the mask is of zeros and changes nothing.
pub(super) mod frame {
    /// A whole text.
    pub(in super::super) const TEXT: u8 = 0x81;
    /// The first piece of a text, and those that follow.
    pub(in super::super) const TEXT_BEGINS: u8 = 0x01;
    pub(in super::super) const GOES_ON: u8 = 0x00;
    /// A whole text with the first reserved bit: it is compressed (RFC 7692).
    pub(in super::super) const TEXT_COMPRESSED: u8 = 0xc1;

    /// The head of a frame with so many bytes.
    pub(in super::super) fn head(first: u8, length: usize) -> Vec<u8> {
        let mut head = vec![first];
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short), _) if short < 126 => head.push(0x80 | short),
            (_, Ok(long)) => {
                head.push(0x80 | 126);
                head.extend(long.to_be_bytes());
            }
            (_, Err(_)) => {
                head.push(0x80 | 127);
                head.extend((length as u64).to_be_bytes());
            }
        }
        head.extend([0; 4]);
        head
    }

    pub(in super::super) fn whole(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = head(first, payload.len());
        frame.extend(payload);
        frame
    }
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// The code of a close frame.
    pub(super) close: Option<u16>,
    /// Texts, one after the other, or a head of HTTP.
    pub(super) text: String,
    /// The stream has ended.
    pub(super) ended: bool,
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.text.chars().take(60).collect();
        write!(f, "close code {:?}, {text:?}", self.close)
    }
}

// === impl Heard ===

impl Heard {
    /// Everything up to the end of the stream, or to a close frame; a reset is an end.
    pub(super) async fn all_of(stream: impl AsyncRead + Unpin) -> io::Result<Self> {
        Self::read(stream, |heard| heard.close.is_some()).await
    }

    /// Everything up to a text that contains this.
    pub(super) async fn until(stream: impl AsyncRead + Unpin, wanted: &str) -> io::Result<Self> {
        Self::read(stream, |heard| heard.close.is_some() || heard.text.contains(wanted)).await
    }

    /// The head of an HTTP answer, if one comes.
    pub(super) async fn head(mut stream: impl AsyncRead + Unpin) -> io::Result<Self> {
        let text = head_of(&mut stream).await?;
        Ok(Self { close: None, text, ended: true })
    }

    async fn read(mut stream: impl AsyncRead + Unpin, is_enough: impl Fn(&Self) -> bool) -> io::Result<Self> {
        let mut bytes = Vec::new();
        loop {
            let mut piece = [0; 4_096];
            // A reset is an end, too.
            let length = stream.read(&mut piece).await.unwrap_or_default();
            bytes.extend(piece.get(..length).unwrap_or_default());
            let heard = Self { ended: length == 0, ..read_frames(&bytes) };
            if heard.ended || bytes.len() > HEARD_MAX || is_enough(&heard) {
                return Ok(heard);
            }
        }
    }
}

/// What stands in a server's frames; one that is not whole yet is left out.
fn read_frames(mut bytes: &[u8]) -> Heard {
    let mut heard = Heard::default();
    while let Some((first, payload, rest)) = split_frame(bytes) {
        match first & 0x0f {
            1 => heard.text.push_str(&String::from_utf8_lossy(payload)),
            8 => heard.close = payload.first_chunk().map(|code| u16::from_be_bytes(*code)),
            _ => {}
        }
        bytes = rest;
    }
    heard
}

fn split_frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let ([first, second], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match second & 0x7f {
        126 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_be_bytes(*length)).ok()?, rest)
        }
        short => (usize::from(short), rest),
    };
    let (payload, rest) = rest.split_at_checked(length)?;
    Some((*first, payload, rest))
}

/// The head of an HTTP answer, byte by byte: what follows belongs to somebody else.
pub(in super::super) async fn head_of(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEARD_MAX {
        let mut byte = [0; 1];
        if stream.read(&mut byte).await? == 0 {
            break;
        }
        head.extend(byte);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// The status of a head.
pub(in super::super) fn status_of(head: &str) -> Option<u16> {
    head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_as_the_standard_says() {
        assert_eq!(frame::whole(frame::TEXT, b"hi"), [0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
        assert_eq!(frame::head(frame::TEXT, 125).len(), 6);
        assert_eq!(frame::head(frame::TEXT, 126), [0x81, 0xfe, 0, 126, 0, 0, 0, 0]);
        assert_eq!(frame::head(frame::TEXT, 65_535).len(), 8);
        assert_eq!(frame::head(frame::TEXT, 65_536)[..10], [0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn what_a_server_says_is_read_as_far_as_it_is_whole() {
        let mut bytes = vec![0x89, 0, 0x81, 2, b'h', b'i', 0x81, 126, 0, 126];
        bytes.extend([b'x'; 126]);
        bytes.extend([0x88, 2, 0x03, 0xf1]);
        let heard = read_frames(&bytes);
        assert_eq!((heard.close, heard.text.len()), (Some(1_009), 128));
        assert_eq!(read_frames(&bytes[..bytes.len() - 1]).close, None);
        assert_eq!(read_frames(&[0x88, 0]).close, None, "without a code");
    }

    #[tokio::test]
    async fn a_head_ends_where_it_ends() {
        let mut answer: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi";
        let head = head_of(&mut answer).await.unwrap();
        assert_eq!((status_of(&head), answer), (Some(101), &b"\x81\x02hi"[..]));
        assert_eq!(status_of("SSH-2.0"), None);
        let heard = Heard::all_of(answer).await.unwrap();
        assert_eq!((heard.text.as_str(), heard.ended), ("hi", true));
    }
}
