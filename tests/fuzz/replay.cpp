// Runs a fuzz target on the files that its arguments name, folders with all their files: libFuzzer's inputs as a test.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

std::vector<std::filesystem::path> files_of(const std::filesystem::path& named) {
  if (!std::filesystem::is_directory(named)) return {named};
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(named)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

bool replay(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(in), {}};
  if (!in) {
    std::fprintf(stderr, "%s: cannot be read\n", file.c_str());
    return false;
  }
  std::printf("%s\n", file.filename().c_str());
  std::fflush(stdout); // the last name is the one that ended the process
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(content.data()), content.size());
  return true;
}

} // namespace

int main(int count, char** arguments) {
  size_t ran = 0;
  for (int i = 1; i < count; ++i)
    for (const auto& file : files_of(arguments[i])) {
      if (!replay(file)) return 1;
      ++ran;
    }
  if (ran == 0) std::fprintf(stderr, "no inputs: give files or folders of them\n");
  return ran == 0 ? 1 : 0;
}
