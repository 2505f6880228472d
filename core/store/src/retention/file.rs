//! A Parquet file of facts: written group by group, and read again to see that everything is in it.
//!
//! Both sides add up the same digest, over the values and not over the bytes of the file: one proves the other. Everything here blocks; it
//! is for a command line, not for a node.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use sha2::{Digest, Sha256};

use crate::engine::row::Row;
use crate::retention::shape::{Kind, Shape};
use crate::store::StoreError;

/// A group is written when it has so many rows,
const GROUP_ROWS: usize = 100_000;
/// or so many bytes of text: it is held in memory, when it is written and when it is read.
const GROUP_BYTES: usize = 64 * 1024 * 1024;

/// How much a file holds, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) rows: u64,
    pub(super) sha256: String,
}

/// A file in the making.
pub(super) struct FactFile {
    writer: SerializedFileWriter<File>,
    shape: &'static Shape,
    group: Vec<Cells>,
    group_rows: usize,
    group_bytes: usize,
    rows: u64,
    digest: Sha256,
}

/// A column of a group.
enum Cells {
    Text(Vec<ByteArray>),
    /// Whether there is one, and those there are.
    TextOrNull(Vec<i16>, Vec<ByteArray>),
    Int(Vec<i64>),
    Flag(Vec<bool>),
}

/// Reads a file through.
pub(super) fn read(path: &Path, shape: &Shape) -> Result<Content, StoreError> {
    let wrong = |error: &dyn std::fmt::Display| unusable(path, error);
    let file = File::open(path).map_err(|error| wrong(&error))?;
    let reader = SerializedFileReader::new(file).map_err(|error| wrong(&error))?;
    let (mut rows, mut digest) = (0_u64, Sha256::new());
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(|error| wrong(&error))?;
        let count = usize::try_from(group.metadata().num_rows()).map_err(|error| wrong(&error))?;
        for (place, column) in shape.columns.iter().enumerate() {
            Cells::read(group.as_ref(), place, column.kind, count)
                .map_err(|error| wrong(&error))?
                .digest(&mut digest);
        }
        rows = rows.saturating_add(count as u64);
    }
    Ok(Content { rows, sha256: hex::encode(digest.finalize()) })
}

pub(super) fn unusable(path: &Path, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::unavailable(format!("archive {}: {error}", path.display()))
}

// === impl FactFile ===

impl FactFile {
    pub(super) fn create(path: &Path, shape: &'static Shape) -> Result<Self, StoreError> {
        let file = File::create_new(path).map_err(|error| unusable(path, &error))?;
        // Read once a year if at all: small counts for more than fast.
        let properties =
            WriterProperties::builder().set_compression(Compression::GZIP(Default::default())).build();
        let schema = parse_message_type(&shape.message()).map_err(|error| unusable(path, &error))?;
        let writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties));
        Ok(Self {
            writer: writer.map_err(|error| unusable(path, &error))?,
            shape,
            group: Cells::empty(shape),
            group_rows: 0,
            group_bytes: 0,
            rows: 0,
            digest: Sha256::new(),
        })
    }

    /// Adds a row.
    pub(super) fn push(&mut self, row: &Row) -> Result<(), StoreError> {
        for (column, cells) in self.shape.columns.iter().zip(&mut self.group) {
            let bytes = cells.push(row, column.name, column.kind)?;
            self.group_bytes = self.group_bytes.saturating_add(bytes);
        }
        self.group_rows = self.group_rows.saturating_add(1);
        self.rows = self.rows.saturating_add(1);
        if self.group_rows >= GROUP_ROWS || self.group_bytes >= GROUP_BYTES {
            self.end_group().map_err(|error| StoreError::unavailable(format!("archive: {error}")))?;
        }
        Ok(())
    }

    /// Ends the file, and has it on the disk.
    pub(super) fn close(mut self) -> Result<Content, StoreError> {
        let closed = self.end_group().and_then(|()| self.writer.into_inner());
        let file = closed.map_err(|error| StoreError::unavailable(format!("archive: {error}")))?;
        file.sync_all().map_err(|error| StoreError::unavailable(format!("archive: {error}")))?;
        Ok(Content { rows: self.rows, sha256: hex::encode(self.digest.finalize()) })
    }

    fn end_group(&mut self) -> Result<(), ParquetError> {
        if self.group_rows == 0 {
            return Ok(());
        }
        let cells = std::mem::replace(&mut self.group, Cells::empty(self.shape));
        (self.group_rows, self.group_bytes) = (0, 0);
        let mut group = self.writer.next_row_group()?;
        for column in &cells {
            column.digest(&mut self.digest);
            column.write(&mut group)?;
        }
        group.close().map(drop)
    }
}

// === impl Cells ===

impl Cells {
    fn empty(shape: &Shape) -> Vec<Self> {
        let cells = |kind| match kind {
            Kind::Text | Kind::Json | Kind::Uuid => Self::Text(Vec::new()),
            Kind::TextOrNull => Self::TextOrNull(Vec::new(), Vec::new()),
            Kind::Int | Kind::Instant => Self::Int(Vec::new()),
            Kind::Flag => Self::Flag(Vec::new()),
        };
        shape.columns.iter().map(|column| cells(column.kind)).collect()
    }

    /// Adds the value of a row; how many bytes it takes.
    fn push(&mut self, row: &Row, name: &str, kind: Kind) -> Result<usize, StoreError> {
        match self {
            Self::Text(values) => {
                let text =
                    if kind == Kind::Uuid { row.uuid(name)?.to_string() } else { row.text(name)?.to_owned() };
                let bytes = text.len();
                values.push(ByteArray::from(text.into_bytes()));
                Ok(bytes)
            }
            Self::TextOrNull(there, values) => {
                let text = row.text_or_null(name)?;
                there.push(i16::from(text.is_some()));
                values.extend(text.map(|text| ByteArray::from(text.as_bytes().to_vec())));
                Ok(text.map_or(0, str::len))
            }
            Self::Int(values) => {
                values.push(row.int(name)?);
                Ok(size_of::<i64>())
            }
            Self::Flag(values) => {
                values.push(row.boolean(name)?);
                Ok(1)
            }
        }
    }

    fn digest(&self, digest: &mut Sha256) {
        let texts = |digest: &mut Sha256, values: &[ByteArray]| {
            for value in values {
                // Its length before it: two rows of texts never look alike.
                digest.update((value.data().len() as u64).to_le_bytes());
                digest.update(value.data());
            }
        };
        match self {
            Self::Text(values) => texts(digest, values),
            Self::TextOrNull(there, values) => {
                there.iter().for_each(|there| digest.update(there.to_le_bytes()));
                texts(digest, values);
            }
            Self::Int(values) => values.iter().for_each(|value| digest.update(value.to_le_bytes())),
            Self::Flag(values) => values.iter().for_each(|value| digest.update([u8::from(*value)])),
        }
    }

    fn write(&self, group: &mut SerializedRowGroupWriter<'_, File>) -> Result<(), ParquetError> {
        let mut column = group
            .next_column()?
            .ok_or_else(|| ParquetError::General("the schema has fewer columns".to_owned()))?;
        match self {
            Self::Text(values) => column.typed::<ByteArrayType>().write_batch(values, None, None)?,
            Self::TextOrNull(there, values) => {
                column.typed::<ByteArrayType>().write_batch(values, Some(there), None)?
            }
            Self::Int(values) => column.typed::<Int64Type>().write_batch(values, None, None)?,
            Self::Flag(values) => column.typed::<BoolType>().write_batch(values, None, None)?,
        };
        column.close()
    }

    fn read(group: &dyn RowGroupReader, place: usize, kind: Kind, rows: usize) -> Result<Self, ParquetError> {
        Ok(match kind {
            Kind::Text | Kind::Json | Kind::Uuid => {
                Self::Text(values::<ByteArrayType>(group, place, rows)?.1)
            }
            Kind::TextOrNull => {
                let (there, values) = values::<ByteArrayType>(group, place, rows)?;
                Self::TextOrNull(there, values)
            }
            Kind::Int | Kind::Instant => Self::Int(values::<Int64Type>(group, place, rows)?.1),
            Kind::Flag => Self::Flag(values::<BoolType>(group, place, rows)?.1),
        })
    }
}

/// All values of a column, and of one with gaps where they are.
fn values<T: DataType>(
    group: &dyn RowGroupReader,
    place: usize,
    rows: usize,
) -> Result<(Vec<i16>, Vec<T::T>), ParquetError> {
    let mut column = get_typed_column_reader::<T>(group.get_column_reader(place)?);
    let (mut there, mut values, mut seen) = (Vec::new(), Vec::new(), 0_usize);
    while seen < rows {
        let (records, ..) = column.read_records(rows - seen, Some(&mut there), None, &mut values)?;
        if records == 0 {
            return Err(ParquetError::General(format!("column {place} ends after {seen} of {rows} rows")));
        }
        seen = seen.saturating_add(records);
    }
    Ok((there, values))
}
