//! OVER windows and the WINDOW clause (row B5.1).

use super::{Parsed, Parser};
use crate::ast::{Frame, FrameBound, Ident, Over};

impl Parser<'_> {
    /// What follows OVER: `w`, or a window in parentheses.
    pub(super) fn over(&mut self) -> Parsed<Over> {
        if self.is_symbol("(") {
            return self.over_window();
        }
        let name = self.ident("a window in parentheses or the name of one")?;
        let span = name.span;
        Ok(Over { base: Some(name), partition: vec![], order: vec![], frame: None, span })
    }

    /// `WINDOW w AS (..), v AS (..)`, if it stands here.
    pub(super) fn named_windows(&mut self) -> Parsed<Vec<(Ident, Over)>> {
        if !self.accept_word("WINDOW") {
            return Ok(Vec::new());
        }
        self.comma_separated(|parser| {
            let name = parser.ident("a name for the window")?;
            parser.expect_word("AS")?;
            Ok((name, parser.over_window()?))
        })
    }

    fn over_window(&mut self) -> Parsed<Over> {
        let start = self.span();
        self.expect_symbol("(")?;
        let base = self.accept_ident();
        let partition = if self.accept_words(&["PARTITION", "BY"]) {
            self.comma_separated(Self::expression)?
        } else {
            Vec::new()
        };
        let order =
            if self.accept_words(&["ORDER", "BY"]) { self.order_items()? } else { Vec::new() };
        let frame = self.frame()?;
        self.expect_symbol(")")?;
        Ok(Over { base, partition, order, frame, span: self.since(start) })
    }

    fn frame(&mut self) -> Parsed<Option<Frame>> {
        let start = self.span();
        let is_rows = self.accept_word("ROWS");
        if !is_rows && !self.accept_word("RANGE") {
            return Ok(None);
        }
        let (lower, upper) = if self.accept_word("BETWEEN") {
            let lower = self.frame_bound()?;
            self.expect_word("AND")?;
            (lower, self.frame_bound()?)
        } else {
            (self.frame_bound()?, FrameBound::CurrentRow)
        };
        Ok(Some(Frame { is_rows, lower, upper, span: self.since(start) }))
    }

    fn frame_bound(&mut self) -> Parsed<FrameBound> {
        if self.accept_words(&["CURRENT", "ROW"]) {
            return Ok(FrameBound::CurrentRow);
        }
        if self.accept_words(&["UNBOUNDED", "PRECEDING"]) {
            return Ok(FrameBound::UnboundedPreceding);
        }
        if self.accept_words(&["UNBOUNDED", "FOLLOWING"]) {
            return Ok(FrameBound::UnboundedFollowing);
        }
        let distance = self.expression()?;
        if self.accept_word("PRECEDING") {
            return Ok(FrameBound::Preceding(distance));
        }
        if self.accept_word("FOLLOWING") {
            return Ok(FrameBound::Following(distance));
        }
        Err(self.expected("PRECEDING or FOLLOWING"))
    }
}
