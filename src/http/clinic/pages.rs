//! Lists by page and limit, with their total.

use bedside_protocol::CommandError;
use serde::Serialize;

/// Rows of a page when the caller names no limit.
const LIMIT_DEFAULT: u64 = 20;
/// Rows of a page at most; who asks for more gets this many, and `limit` says so.
const LIMIT_MAX: u64 = 100;

/// Which page, and how many rows it has.
#[derive(Clone, Copy)]
pub(in crate::http) struct Page {
    /// From 1.
    number: u64,
    limit: u64,
}

impl Page {
    /// The page that `?page=&limit=` ask for: the first one of 20 rows, unless they say more.
    pub(in crate::http) fn of(
        number: Option<u64>,
        limit: Option<u64>,
    ) -> Result<Self, CommandError> {
        let page = Self {
            number: number.unwrap_or(1),
            limit: limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX),
        };
        if page.number == 0 {
            return Err(CommandError::invalid("page: from 1"));
        }
        if page.limit == 0 {
            return Err(CommandError::invalid("limit: 1 to 100"));
        }
        Ok(page)
    }

    /// How many rows stand before it.
    pub(in crate::http) const fn skip(self) -> u64 {
        (self.number - 1).saturating_mul(self.limit)
    }

    /// How many rows it has room for.
    pub(in crate::http) const fn limit(self) -> u64 {
        self.limit
    }

    /// Its part of all the rows there are.
    pub(in crate::http) fn cut<T>(self, all: Vec<T>) -> Vec<T> {
        let skip = usize::try_from(self.skip()).unwrap_or(usize::MAX);
        all.into_iter()
            .skip(skip)
            .take(self.limit as usize)
            .collect()
    }

    /// These rows as the page, of `total` in all.
    pub(in crate::http) const fn list<T>(self, data: Vec<T>, total: u64) -> List<T> {
        List {
            data,
            pagination: Pagination {
                total,
                page: self.number,
                limit: self.limit,
                total_pages: total.div_ceil(self.limit),
            },
        }
    }
}

/// `{data: [...], pagination: {total, page, limit, totalPages}}`.
#[derive(Serialize)]
pub(in crate::http) struct List<T> {
    data: Vec<T>,
    pagination: Pagination,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pagination {
    total: u64,
    page: u64,
    limit: u64,
    total_pages: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_its_part_of_the_whole() {
        let page = |number, limit| Page::of(number, limit).expect("is one");
        let all: Vec<u64> = (0..45).collect();
        assert_eq!(page(None, None).cut(all.clone()), all[..20]);
        assert_eq!(page(Some(3), None).cut(all.clone()), all[40..]);
        assert!(page(Some(4), None).cut(all.clone()).is_empty());
        assert!(page(Some(u64::MAX), Some(7)).cut(all.clone()).is_empty());
        assert_eq!(page(Some(2), Some(7)).cut(all.clone()), all[7..14]);
        assert_eq!(page(None, Some(101)).limit(), LIMIT_MAX);
        assert!(Page::of(Some(0), None).is_err());
        assert!(Page::of(None, Some(0)).is_err());
    }

    #[test]
    fn pages_are_counted_to_the_last_row() {
        let pages = |total| {
            let list = Page::of(None, None)
                .expect("is one")
                .list::<()>(vec![], total);
            list.pagination.total_pages
        };
        assert_eq!([0, 1, 20, 21].map(pages), [0, 1, 1, 2]);
    }
}
