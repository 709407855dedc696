# The extension compiles nothing, yet project(SAMed) asks for compilers: this lets it be configured where there are none.
foreach(language C CXX)
  set(CMAKE_${language}_COMPILER "${CMAKE_COMMAND}")
  set(CMAKE_${language}_COMPILER_ID_RUN TRUE)
  set(CMAKE_${language}_COMPILER_ID "None")
  set(CMAKE_${language}_COMPILER_FORCED TRUE)
endforeach()
