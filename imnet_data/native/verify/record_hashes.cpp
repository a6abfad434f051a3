#include "verify/record_hashes.hpp"

namespace imnet {

JpegStatus RecordHasher::restore(const StoredRecord& record, bool walks) {
  return record.form == StoredForm::packed
             ? restorer_.restore(record.data, record.nbytes, originals_)
             : rewriter_.restore(record.data, record.nbytes, !walks, originals_);
}

std::vector<RecordHashes> RecordHasher::run(const std::vector<StoredRecord>& records,
                                            std::vector<Sha256Input> stream, bool walks) {
  std::vector<RecordHashes> found(records.size());
  ends_.resize(records.size());
  originals_.clear();
  for (size_t i = 0; i < records.size(); ++i) {
    if (records[i].form != StoredForm::plain) found[i].restored = restore(records[i], walks);
    ends_[i] = originals_.size();
  }
  std::vector<Sha256> stored(records.size()), original(records.size());
  std::vector<Sha256Input> inputs = std::move(stream);
  for (size_t i = 0; i < records.size(); ++i) {
    inputs.emplace_back(stored[i]).append(records[i].data, records[i].nbytes);
    const Original restored = this->original(i);
    inputs.emplace_back(original[i]).append(restored.data, restored.nbytes);
  }
  Sha256Input::run(inputs);
  for (size_t i = 0; i < records.size(); ++i) {
    found[i].stored = stored[i].digest();
    found[i].original = original[i].digest();
  }
  return found;
}

}  // namespace imnet
