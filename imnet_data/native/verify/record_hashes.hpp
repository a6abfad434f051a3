// The hashes by which records are verified: of the bytes that are stored, and of the published JPEG
// that is restored from them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "hash/sha256.hpp"
#include "jpeg/seekable.hpp"
#include "jpeg/status.hpp"
#include "packed/restorer.hpp"

namespace imnet {

enum class StoredForm : uint8_t { plain, seekable, packed };

struct StoredRecord {
  const uint8_t* data;
  size_t nbytes;
  StoredForm form;
};

struct RecordHashes {
  Sha256::Digest stored{}, original{};  // where it is plain, there is no original
  JpegStatus restored;                  // of another form; where it is not ok, there is no original
};

// One per thread; keeps its workspace between calls.
class RecordHasher {
 public:
  // Restores the records and hashes all beside each other, and beside `stream`, which takes part with
  // what was appended to it. `walks`: not by joints, so that what decoders read is what is restored.
  std::vector<RecordHashes> run(const std::vector<StoredRecord>& records,
                                std::vector<Sha256Input> stream, bool walks);

  struct Original {
    const uint8_t* data = nullptr;
    size_t nbytes = 0;
  };
  // What was restored from a record of the last run; no bytes where nothing was.
  Original original(size_t record) const {
    const size_t begin = record == 0 ? 0 : ends_[record - 1];
    return {originals_.data() + begin, ends_[record] - begin};
  }

 private:
  JpegStatus restore(const StoredRecord& record, bool walks);

  JpegRewriter rewriter_;
  PackedRestorer restorer_;
  std::vector<uint8_t> originals_;  // one after another
  std::vector<size_t> ends_;        // in it, of each record
};

}  // namespace imnet
