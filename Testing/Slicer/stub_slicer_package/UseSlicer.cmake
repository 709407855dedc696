# The macros of Slicer that the extension calls, as Slicer documents them: files go where Slicer puts them, tests get Slicer's names.
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR "${Slicer_QTSCRIPTEDMODULES_LIB_DIR}")
include(CTest)

# SCRIPTS and RESOURCES to DESTINATION_DIR when built, under the paths that they are named by; from there to INSTALL_DIR.
function(ctkMacroCompilePythonScript)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "NO_INSTALL_SUBDIR" "TARGET_NAME;DESTINATION_DIR;INSTALL_DIR" "SCRIPTS;RESOURCES")
  if(ARG_UNPARSED_ARGUMENTS OR NOT ARG_NO_INSTALL_SUBDIR)
    message(FATAL_ERROR "not in this stub: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  set(copies)
  foreach(file IN LISTS ARG_SCRIPTS ARG_RESOURCES)
    set(source "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
    if(NOT EXISTS "${source}")
      message(FATAL_ERROR "${ARG_TARGET_NAME}: there is no file ${file}")
    endif()
    add_custom_command(
      OUTPUT "${ARG_DESTINATION_DIR}/${file}" DEPENDS "${source}"
      COMMAND ${CMAKE_COMMAND} -E copy "${source}" "${ARG_DESTINATION_DIR}/${file}" VERBATIM)
    list(APPEND copies "${ARG_DESTINATION_DIR}/${file}")
  endforeach()
  add_custom_target(Copy${ARG_TARGET_NAME} ALL DEPENDS ${copies})
  install(DIRECTORY "${ARG_DESTINATION_DIR}/" DESTINATION "${ARG_INSTALL_DIR}" COMPONENT RuntimeLibraries)
endfunction()

function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "WITH_GENERIC_TESTS" "NAME" "SCRIPTS;RESOURCES")
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "Unknown keywords given to slicerMacroBuildScriptedModule(): ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  ctkMacroCompilePythonScript(
    TARGET_NAME ${ARG_NAME} SCRIPTS ${ARG_SCRIPTS} RESOURCES ${ARG_RESOURCES}
    DESTINATION_DIR "${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}"
    INSTALL_DIR "${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}" NO_INSTALL_SUBDIR)
  if(BUILD_TESTING AND ARG_WITH_GENERIC_TESTS)
    add_test(NAME "py_nomainwindow_qSlicer${ARG_NAME}ModuleGenericTest" COMMAND ${Slicer_LAUNCHER_EXECUTABLE} --testing)
  endif()
endfunction()

function(slicer_add_python_unittest)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "TESTNAME_PREFIX;SCRIPT" "SLICER_ARGS")
  if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${ARG_SCRIPT}")
    message(FATAL_ERROR "slicer_add_python_unittest: there is no file ${ARG_SCRIPT}")
  endif()
  get_filename_component(name "${ARG_SCRIPT}" NAME_WE)
  add_test(NAME "py_${ARG_TESTNAME_PREFIX}${name}" COMMAND ${Slicer_LAUNCHER_EXECUTABLE} --testing ${ARG_SLICER_ARGS})
endfunction()
