// A stream of reading ahead as Python holds it, which batches are given, too.
#pragma once

#include <memory>

#include "loader/read_ahead.hpp"

namespace imnet {

struct PyReadAheadStream {
  std::shared_ptr<ReadAheadStream> stream;
};

}  // namespace imnet
