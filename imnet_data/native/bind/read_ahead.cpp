// What Python sees of reading ahead; imnet_data.loaders.read_ahead has the documentation.
#include "bind/read_ahead.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <vector>

#include "bind/module.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace imnet {
namespace {

template <typename Number>
using Column = nb::ndarray<const Number, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

class PyReadAhead {
 public:
  PyReadAhead(int64_t most_nbytes, int threads)
      : read_ahead_(new ReadAhead(most_nbytes, threads)), pid_(getpid()) {}

  PyReadAhead(const PyReadAhead&) = delete;
  PyReadAhead& operator=(const PyReadAhead&) = delete;

  ~PyReadAhead() { close(); }

  PyReadAheadStream open(bool in_window) { return {get()->open(in_window)}; }

  size_t add(const PyReadAheadStream& stream, const Column<int32_t>& files,
             const Column<int64_t>& offsets, const Column<int64_t>& nbytes,
             const std::vector<nb::bytes>& paths, const Column<bool>& direct, bool whole) {
    const size_t count = files.size();
    if (offsets.size() != count || nbytes.size() != count || paths.size() != count ||
        direct.size() != count)
      throw std::invalid_argument("all columns must have the same length");
    std::vector<Extent> extents(count);
    for (size_t i = 0; i < count; ++i)
      extents[i] = {files.data()[i],
                    {paths[i].c_str(), paths[i].size()},
                    offsets.data()[i],
                    std::max<int64_t>(0, nbytes.data()[i]),
                    direct.data()[i],
                    whole};
    return get()->add(*stream.stream, std::move(extents));
  }

  int64_t ahead_nbytes() const { return get()->ahead_nbytes(); }

  void end(const PyReadAheadStream& stream) {
    if (read_ahead_ == nullptr || getpid() != pid_) return;  // no thread is busy with it
    const std::shared_ptr<ReadAhead> read_ahead = read_ahead_;
    const Unlocked unlocked;
    read_ahead->end(stream.stream);
  }

  void close() {
    if (read_ahead_ == nullptr) return;
    const std::shared_ptr<ReadAhead> read_ahead = std::move(read_ahead_);
    // the threads are not in a forked child: there is nothing to join, and no lock to trust
    if (getpid() != pid_) {
      new std::shared_ptr<ReadAhead>(read_ahead);
      return;
    }
    const Unlocked unlocked;
    read_ahead->close();
  }

 private:
  std::shared_ptr<ReadAhead> get() const {
    if (read_ahead_ == nullptr) throw std::invalid_argument("the loader is closed");
    if (getpid() != pid_)
      throw std::invalid_argument("a loader cannot be used in a forked process: open one there");
    return read_ahead_;
  }

  std::shared_ptr<ReadAhead> read_ahead_;
  pid_t pid_;
};

// Returns None where the record is to be read from its file.
nb::object take(const PyReadAheadStream& self, size_t number) {
  ReadBytes read;
  {
    const Unlocked unlocked;
    read = self.stream->take(number);
  }
  if (read.data == nullptr) return nb::none();
  const nb::bytes content(read.data, read.nbytes);
  self.stream->give_back(read);
  return content;
}

}  // namespace

void bind_read_ahead(nb::module_& m) {
  m.attr("READ_AHEAD_THREAD") = kReadAheadThread;
  nb::class_<PyReadAheadStream>(m, "ReadAheadStream")
      .def("take", &take, "number"_a);
  nb::class_<PyReadAhead>(m, "ReadAhead")
      .def(nb::init<int64_t, int>(), "most_nbytes"_a, "threads"_a)
      .def("open", &PyReadAhead::open, "in_window"_a)
      .def("add", &PyReadAhead::add, "stream"_a, "files"_a, "offsets"_a, "nbytes"_a, "paths"_a,
           "direct"_a, "whole"_a)
      .def_prop_ro("ahead_nbytes", &PyReadAhead::ahead_nbytes)
      .def("end", &PyReadAhead::end, "stream"_a)
      .def("close", &PyReadAhead::close);
}

}  // namespace imnet
