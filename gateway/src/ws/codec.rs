//! RFC 6455 frames to messages and back, server side: pure, no stream and no clock.
//!
//! Place on the walk: *socket*. The decoder takes whatever bytes have come, in any pieces, and gives whole
//! messages. Lengths are checked on the header, so a frame that announces too much is refused before a byte of
//! its payload is kept. Text is checked as it arrives and grows no further than the frame announces.
//!
//! Never here: waiting, an extension, a message of ours that is masked.

#[cfg(test)]
mod tests;

use super::{
    CONTROL_BYTES_MAX, CloseCode, CloseFrame, FRAGMENTS_MAX, FRAME_BYTES_MAX, Incoming, Limit,
    MESSAGE_BYTES_MAX, ProtocolFault, WsFault,
};
use bytes::{Buf, BufMut, Bytes, BytesMut};

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// Most bytes a frame header of ours takes: two, and eight of length.
const HEADER_BYTES_MAX: usize = 10;

/// Most bytes of a close reason: the payload of a control frame without its code.
const REASON_BYTES_MAX: usize = CONTROL_BYTES_MAX - 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// A frame whose header is read and whose payload is not all here.
#[derive(Debug)]
struct Frame {
    opcode: Opcode,
    fin: bool,
    /// Turned so that its first byte belongs to the next payload byte.
    mask: [u8; 4],
    remaining: usize,
}

/// A message of which at least one frame has begun and the last one has not ended.
#[derive(Debug)]
struct Message {
    kind: Kind,
    /// Bytes announced so far, over all frames.
    length: usize,
    fragments: usize,
}

#[derive(Debug)]
enum Kind {
    Text(Text),
    /// Binary: counted against the limits, never kept.
    Skipped,
}

/// Valid UTF-8 so far, and up to three bytes of a character that is not complete.
#[derive(Debug, Default)]
struct Text {
    valid: String,
    tail: [u8; 4],
    tail_length: usize,
}

/// Reads a client's byte stream. At rest it holds no heap memory.
///
/// After a fault the stream has lost its frame borders: drop the decoder with the connection.
#[derive(Debug, Default)]
pub struct Decoder {
    frame: Option<Frame>,
    message: Option<Message>,
    control: Vec<u8>,
}

// === impl Decoder ===

impl Decoder {
    /// Takes bytes from the front of `src` until a message is whole; call again until it gives `None`.
    ///
    /// `None` leaves at most 13 bytes of an incomplete header in `src`. Payload bytes are unmasked in place.
    ///
    /// # Errors
    /// [`WsFault::Protocol`], [`WsFault::InvalidUtf8`] and [`WsFault::TooBig`]: close with
    /// [`WsFault::close_code`] and end the connection.
    pub fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Incoming>, WsFault> {
        loop {
            if self.frame.is_none() {
                match read_header(src)? {
                    None => return Ok(None),
                    Some(frame) => {
                        if self.begin(frame)? {
                            return Ok(Some(Incoming::Binary));
                        }
                    }
                }
            }
            let Some(frame) = self.take_payload(src)? else { return Ok(None) };
            if let Some(incoming) = self.finish(&frame)? {
                return Ok(Some(incoming));
            }
        }
    }

    /// Bytes of heap memory in use for a message or control frame that is not whole yet.
    #[must_use]
    pub fn retained_bytes(&self) -> usize {
        let text = match &self.message {
            Some(Message { kind: Kind::Text(text), .. }) => text.valid.capacity(),
            Some(Message { kind: Kind::Skipped, .. }) | None => 0,
        };
        text + self.control.capacity()
    }

    /// Puts a frame in its place among the fragments; true when a binary message begins with it.
    fn begin(&mut self, frame: Frame) -> Result<bool, WsFault> {
        let length = frame.remaining;
        let kind = match frame.opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => {
                self.frame = Some(frame);
                return Ok(false);
            }
            Opcode::Continuation => None,
            Opcode::Text => Some(Kind::Text(Text::default())),
            Opcode::Binary => Some(Kind::Skipped),
        };
        let is_binary = frame.opcode == Opcode::Binary;
        self.frame = Some(frame);
        let message = match (kind, &mut self.message) {
            (None, None) => return Err(WsFault::Protocol(ProtocolFault::NothingToContinue)),
            (Some(_), Some(_)) => return Err(WsFault::Protocol(ProtocolFault::Interleaved)),
            (None, Some(message)) => message,
            (Some(kind), none) => none.insert(Message { kind, length: 0, fragments: 0 }),
        };
        message.length += length;
        message.fragments += 1;
        if message.length > MESSAGE_BYTES_MAX {
            return Err(WsFault::TooBig(Limit::Message));
        }
        if message.fragments > FRAGMENTS_MAX {
            return Err(WsFault::TooBig(Limit::Fragments));
        }
        Ok(is_binary)
    }

    /// Moves what has come of the payload into its place; the frame once it is complete.
    fn take_payload(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, WsFault> {
        let Some(mut frame) = self.frame.take() else { return Ok(None) };
        let length = frame.remaining.min(src.len());
        if let Some(payload) = src.get_mut(..length) {
            unmask(payload, frame.mask);
            frame.remaining -= length;
            match frame.opcode {
                Opcode::Close | Opcode::Ping | Opcode::Pong => self.control.extend_from_slice(payload),
                Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                    if let Some(Message { kind: Kind::Text(text), .. }) = &mut self.message {
                        text.push(payload, frame.remaining)?;
                    }
                }
            }
        }
        frame.mask.rotate_left(length % 4);
        src.advance(length);
        if frame.remaining == 0 {
            return Ok(Some(frame));
        }
        self.frame = Some(frame);
        Ok(None)
    }

    /// Gives what a complete frame completes: a control frame, a message, or nothing yet.
    fn finish(&mut self, frame: &Frame) -> Result<Option<Incoming>, WsFault> {
        match frame.opcode {
            Opcode::Ping => Ok(Some(Incoming::Ping(Bytes::from(std::mem::take(&mut self.control))))),
            Opcode::Pong => {
                self.control = Vec::new();
                Ok(Some(Incoming::Pong))
            }
            Opcode::Close => {
                read_close(&std::mem::take(&mut self.control)).map(|close| Some(Incoming::Close(close)))
            }
            Opcode::Continuation | Opcode::Text | Opcode::Binary if frame.fin => match self.message.take() {
                Some(Message { kind: Kind::Text(text), .. }) => {
                    text.finish().map(|text| Some(Incoming::Text(text)))
                }
                Some(Message { kind: Kind::Skipped, .. }) | None => Ok(None),
            },
            Opcode::Continuation | Opcode::Text | Opcode::Binary => Ok(None),
        }
    }
}

// === impl Text ===

impl Text {
    /// Adds the next bytes; `to_come` is how many more the frame announces, the bound for growth.
    fn push(&mut self, mut bytes: &[u8], to_come: usize) -> Result<(), WsFault> {
        self.make_room(bytes.len(), to_come);
        while self.tail_length > 0 {
            let Some((first, rest)) = bytes.split_first() else { return Ok(()) };
            bytes = rest;
            self.push_to_tail(*first)?;
        }
        match std::str::from_utf8(bytes) {
            Ok(valid) => self.valid.push_str(valid),
            Err(error) => {
                if error.error_len().is_some() {
                    return Err(WsFault::InvalidUtf8);
                }
                // Cut inside a character: what stands before it is valid, at most three bytes are left.
                let (valid, tail) =
                    bytes.split_at_checked(error.valid_up_to()).ok_or(WsFault::InvalidUtf8)?;
                self.valid.push_str(std::str::from_utf8(valid).map_err(|_invalid| WsFault::InvalidUtf8)?);
                for byte in tail {
                    self.push_to_tail(*byte)?;
                }
            }
        }
        Ok(())
    }

    /// Doubles like any buffer, but never beyond what the frame can still bring: a message of 1 MiB holds 1 MiB.
    fn make_room(&mut self, length: usize, to_come: usize) {
        let needed = self.valid.len() + self.tail_length + length;
        if needed > self.valid.capacity() {
            let target = (self.valid.capacity() * 2).clamp(needed, needed + to_come);
            self.valid.reserve_exact(target - self.valid.len());
        }
    }

    fn push_to_tail(&mut self, byte: u8) -> Result<(), WsFault> {
        let slot = self.tail.get_mut(self.tail_length).ok_or(WsFault::InvalidUtf8)?;
        *slot = byte;
        self.tail_length += 1;
        let tail = self.tail.get(..self.tail_length).unwrap_or_default();
        match std::str::from_utf8(tail) {
            Ok(character) => {
                self.valid.push_str(character);
                self.tail_length = 0;
                Ok(())
            }
            Err(error) if error.error_len().is_none() => Ok(()),
            Err(_) => Err(WsFault::InvalidUtf8),
        }
    }

    fn finish(self) -> Result<String, WsFault> {
        if self.tail_length == 0 { Ok(self.valid) } else { Err(WsFault::InvalidUtf8) }
    }
}

/// The header at the front of `src`, or `None` while it is incomplete: then `src` stays as it is.
fn read_header(src: &mut BytesMut) -> Result<Option<Frame>, WsFault> {
    let Some([first, second]) = src.first_chunk::<2>().copied() else { return Ok(None) };
    let opcode = check_first(first)?;
    if second & MASKED == 0 {
        return Err(WsFault::Protocol(ProtocolFault::Unmasked));
    }
    let is_control = matches!(opcode, Opcode::Close | Opcode::Ping | Opcode::Pong);
    let (length, length_end) = match second & !MASKED {
        LENGTH_16 | LENGTH_64 if is_control => return Err(WsFault::Protocol(ProtocolFault::ControlTooLong)),
        LENGTH_16 => match src.get(2..).and_then(|rest| rest.first_chunk::<2>()) {
            Some(length) => (u64::from(u16::from_be_bytes(*length)), 4),
            None => return Ok(None),
        },
        LENGTH_64 => match src.get(2..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(length) => (u64::from_be_bytes(*length), 10),
            None => return Ok(None),
        },
        length => (u64::from(length), 2),
    };
    let Some(remaining) = usize::try_from(length).ok().filter(|length| *length <= FRAME_BYTES_MAX) else {
        return Err(WsFault::TooBig(Limit::Frame));
    };
    let Some(mask) = src.get(length_end..).and_then(|rest| rest.first_chunk::<4>()).copied() else {
        return Ok(None);
    };
    src.advance(length_end + mask.len());
    Ok(Some(Frame { opcode, fin: first & FIN != 0, mask, remaining }))
}

fn check_first(first: u8) -> Result<Opcode, WsFault> {
    if first & RESERVED != 0 {
        return Err(WsFault::Protocol(ProtocolFault::ReservedBits));
    }
    let opcode = match first & !(FIN | RESERVED) {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        _ => return Err(WsFault::Protocol(ProtocolFault::UnknownOpcode)),
    };
    if first & FIN == 0 && matches!(opcode, Opcode::Close | Opcode::Ping | Opcode::Pong) {
        return Err(WsFault::Protocol(ProtocolFault::ControlFragmented));
    }
    Ok(opcode)
}

fn read_close(payload: &[u8]) -> Result<Option<CloseFrame>, WsFault> {
    if payload.is_empty() {
        return Ok(None);
    }
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return Err(WsFault::Protocol(ProtocolFault::CloseCut));
    };
    let code =
        CloseCode::new(u16::from_be_bytes(*code)).ok_or(WsFault::Protocol(ProtocolFault::CloseCode))?;
    let reason = std::str::from_utf8(reason).map_err(|_invalid| WsFault::InvalidUtf8)?.to_owned();
    Ok(Some(CloseFrame { code, reason }))
}

/// Eight bytes at a time: with the compiler's vectors this is memory speed.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let half = u64::from(u32::from_ne_bytes(mask));
    let word = half << 32 | half;
    let (words, rest) = payload.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

/// Appends a text message as one frame: the payload and at most 10 bytes of header.
pub fn encode_text(text: &str, out: &mut impl BufMut) {
    encode(Opcode::Text, text.as_bytes(), out);
}

/// Appends a ping without payload.
pub fn encode_ping(out: &mut impl BufMut) {
    encode(Opcode::Ping, &[], out);
}

/// Appends a pong; a payload beyond [`CONTROL_BYTES_MAX`] is cut, which no decoded ping reaches.
pub fn encode_pong(payload: &[u8], out: &mut impl BufMut) {
    encode(Opcode::Pong, payload.get(..CONTROL_BYTES_MAX).unwrap_or(payload), out);
}

/// Appends a close frame. A reason beyond 123 bytes is cut at a character; without a code the payload is empty.
pub fn encode_close(close: Option<(CloseCode, &str)>, out: &mut impl BufMut) {
    let Some((code, reason)) = close else { return encode(Opcode::Close, &[], out) };
    let reason = reason.get(..reason.floor_char_boundary(REASON_BYTES_MAX)).unwrap_or_default();
    let mut payload = Vec::with_capacity(2 + reason.len());
    payload.put_u16(code.get());
    payload.put_slice(reason.as_bytes());
    encode(Opcode::Close, &payload, out);
}

/// The size on the wire of a frame of ours with a payload of `length` bytes, at most.
#[must_use]
pub const fn frame_bytes_max(length: usize) -> usize {
    length + HEADER_BYTES_MAX
}

fn encode(opcode: Opcode, payload: &[u8], out: &mut impl BufMut) {
    let opcode = match opcode {
        Opcode::Continuation => 0,
        Opcode::Text => 1,
        Opcode::Binary => 2,
        Opcode::Close => 8,
        Opcode::Ping => 9,
        Opcode::Pong => 10,
    };
    out.put_u8(FIN | opcode);
    let length = payload.len();
    match u16::try_from(length) {
        Ok(short) if length < usize::from(LENGTH_16) => {
            out.put_slice(short.to_be_bytes().get(1..).unwrap_or_default())
        }
        Ok(medium) => {
            out.put_u8(LENGTH_16);
            out.put_u16(medium);
        }
        Err(_) => {
            out.put_u8(LENGTH_64);
            out.put_u64(length as u64);
        }
    }
    out.put_slice(payload);
}
