//! The `stat` file of a process.

/// How many fields there are; newer kernels may have more.
const FIELDS: usize = 52;

/// What is read of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat<'a> {
    pub(super) id: u32,
    pub(super) name: &'a str,
    pub(super) state: char,
    pub(super) minor_faults: u64,
    pub(super) major_faults: u64,
    pub(super) user_ticks: u64,
    pub(super) system_ticks: u64,
    pub(super) threads: u64,
    /// Ticks after the host was started.
    pub(super) start_ticks: u64,
    pub(super) virtual_bytes: u64,
    pub(super) io_wait_ticks: Option<u64>,
}

impl<'a> Stat<'a> {
    /// Reads the line; a name may hold anything, blanks and parentheses too, so the last one counts.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (head, rest) = text.trim_end().rsplit_once(')')?;
        let (id, name) = head.split_once('(')?;
        // The word at 0 is the third field of the line in proc_pid_stat(5).
        let mut words = Vec::with_capacity(FIELDS);
        words.extend(rest.split_ascii_whitespace());
        let number = |field: usize| words.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            id: id.trim().parse().ok()?,
            name,
            state: words.first()?.chars().next()?,
            minor_faults: number(10)?,
            major_faults: number(12)?,
            user_ticks: number(14)?,
            system_ticks: number(15)?,
            threads: number(20)?,
            start_ticks: number(22)?,
            virtual_bytes: number(23)?,
            io_wait_ticks: number(42),
        })
    }
}

impl Stat<'_> {
    /// A number is used again after its process has ended; together with the start it is not.
    pub(super) fn identity(&self) -> u64 {
        const START_BITS: u32 = 42;
        (u64::from(self.id) << START_BITS) | (self.start_ticks & ((1 << START_BITS) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "29371 (a) (b) R 29356 29356 7880 0 -1 4194304 102 0 3 0 7 8 0 0 20 0 2 0 161565 \
                        3133440 384 18446744073709551615 1 2 3 0 0 0 0 0 0 0 0 0 17 1 0 0 9 0 0";

    #[test]
    fn a_name_may_hold_parentheses() {
        let stat = Stat::parse(LINE).unwrap();
        assert_eq!((stat.id, stat.name, stat.state), (29371, "a) (b", 'R'));
        assert_eq!((stat.minor_faults, stat.major_faults), (102, 3));
        assert_eq!((stat.user_ticks, stat.system_ticks, stat.threads), (7, 8, 2));
        assert_eq!((stat.start_ticks, stat.virtual_bytes), (161565, 3133440));
        assert_eq!(stat.io_wait_ticks, Some(9));
    }

    #[test]
    fn what_is_cut_off_is_not_read() {
        for end in 0..LINE.find(" 384").unwrap() - 7 {
            assert_eq!(Stat::parse(&LINE[..end]), None, "{}", &LINE[..end]);
        }
        assert_eq!(Stat::parse(")("), None);
        assert_eq!(Stat::parse("1 (x)"), None);
        assert_eq!(Stat::parse("1 (x) R -1 -1 -1 -1 -1 -1 -1"), None);
    }
}
