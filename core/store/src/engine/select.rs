//! A query that grows condition by condition, so that each filter uses its own index. Only texts of this crate go in; values are
//! always parameters.

use std::fmt::Write;

use crate::engine::Statement;
use crate::engine::param::Param;

/// A SELECT in the making.
#[derive(Debug)]
pub(crate) struct Select {
    sql: String,
    params: Vec<Param>,
    filtered: bool,
}

// === impl Select ===

impl Select {
    /// Starts with everything up to WHERE.
    pub(crate) fn new(head: &str) -> Self {
        Self { sql: head.to_owned(), params: Vec::new(), filtered: false }
    }

    /// Narrows it down. Each `?` stands for the next of `params`.
    pub(crate) fn filter(mut self, condition: &str, params: Vec<Param>) -> Self {
        self.sql.push_str(if self.filtered { " AND " } else { " WHERE " });
        self.filtered = true;
        self.push(condition, params);
        self
    }

    /// Narrows it down if there is a value.
    pub(crate) fn filter_some<T>(self, condition: &str, value: Option<T>) -> Self
    where
        Param: From<T>,
    {
        match value {
            Some(value) => self.filter(condition, vec![Param::from(value)]),
            None => self,
        }
    }

    /// Ends it.
    pub(crate) fn tail(mut self, tail: &str, params: Vec<Param>) -> Statement {
        self.sql.push(' ');
        self.push(tail, params);
        Statement::once(self.sql, self.params)
    }

    fn push(&mut self, text: &str, params: Vec<Param>) {
        let mut params = params.into_iter();
        for (index, part) in text.split('?').enumerate() {
            if index > 0 {
                self.params.extend(params.next());
                // Writing to a String cannot fail.
                write!(self.sql, "${}", self.params.len()).ok();
            }
            self.sql.push_str(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::param::params;

    #[test]
    fn conditions_number_their_parameters() {
        let select = Select::new("SELECT a FROM t")
            .filter("b = ?", params![1_i64])
            .filter_some("c = ?", None::<i64>)
            .filter_some("c = ?", Some("x"))
            .filter("(d, e) < (?, ?)", params![2_i64, 3_i64])
            .tail("ORDER BY a LIMIT ?", params![4_i64]);
        let Statement::Once { sql, params } = select else { panic!("one statement") };
        assert_eq!(sql, "SELECT a FROM t WHERE b = $1 AND c = $2 AND (d, e) < ($3, $4) ORDER BY a LIMIT $5");
        assert_eq!(params, params![1_i64, "x", 2_i64, 3_i64, 4_i64]);
    }
}
