//! Buffers of segments, used again and again, so that a conversation under way allocates nothing.

#[derive(Debug)]
pub struct Pool {
    spare: Vec<Vec<u8>>,
    most: usize,
    made: usize,
}

impl Pool {
    /// most: spare buffers that are kept.
    pub fn new(most: usize) -> Self {
        Self { spare: Vec::new(), most, made: 0 }
    }

    /// A buffer that holds a copy of these bytes.
    pub fn copy(&mut self, data: &[u8]) -> Vec<u8> {
        let mut buffer = self.spare.pop().unwrap_or_else(|| {
            self.made += 1;
            Vec::new()
        });
        buffer.extend_from_slice(data);
        buffer
    }

    pub fn give(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < self.most {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Buffers made since the start.
    pub fn made(&self) -> usize {
        self.made
    }
}
